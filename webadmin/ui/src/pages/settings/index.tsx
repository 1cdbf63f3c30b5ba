import { SimpleGrid } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { settings } from '@/api/queries'
import { durationOf } from '@/ui/duration'
import { ReadFailure } from '@/ui/Failure'
import { Facts, Loading, PageHead, Section } from '@/ui/Page'
import { Ago } from '@/ui/time'

export function Page() {
  const read = useQuery(settings)
  const { data: s, error } = read
  return (
    <>
      <PageHead
        title="Settings"
        about="The configuration in effect. It is read-only here: change it in the controller's configuration file, environment or flags."
      />
      <ReadFailure of={read} />
      {!s && !error && <Loading lines={8} />}
      {s && (
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
          <Section title="Controller">
            <Facts
              of={[
                ['Trust domain', <Value key="td" of={s.trust_domain} />],
                ['Controller', <Value key="id" of={s.controller_id} />],
                ['Version', s.version],
                ['Started', <Ago key="at" at={s.started_at} />],
              ]}
            />
          </Section>
          {s.groups.map((g) => (
            <Section key={g.name} title={g.name}>
              <Facts of={g.settings.map(({ key, value }) => [key, <Value key={key} of={value} />])} />
            </Section>
          ))}
        </SimpleGrid>
      )}
    </>
  )
}

function Value({ of }: { of: string }) {
  return of === '' ? <>not set</> : <span className="mono">{durationOf(of)}</span>
}
