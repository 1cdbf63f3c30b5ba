import { SimpleGrid } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { settings } from '@/api/queries'
import { Failure } from '@/ui/Failure'
import { Facts, Loading, PageHead, Section } from '@/ui/Page'

export function Page() {
  const { data, error, refetch } = useQuery(settings)
  const groups = Object.entries(data ?? {}).filter(([, v]) => isObject(v)) as [string, Record<string, unknown>][]
  const single = Object.entries(data ?? {}).filter(([, v]) => !isObject(v))
  return (
    <>
      <PageHead
        title="Settings"
        about="The configuration in effect. It is read-only here: change it in the controller's configuration file, environment or flags."
      />
      {error && <Failure error={error} retry={() => refetch()} />}
      {!data && !error && <Loading lines={8} />}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        {single.length > 0 && (
          <Section title="Controller">
            <Facts of={single.map(([k, v]) => [words(k), text(v)])} />
          </Section>
        )}
        {groups.map(([name, values]) => (
          <Section key={name} title={words(name)}>
            <Facts of={Object.entries(values).map(([k, v]) => [words(k), text(v)])} />
          </Section>
        ))}
      </SimpleGrid>
    </>
  )
}

const isObject = (v: unknown) => typeof v === 'object' && v !== null && !Array.isArray(v)

const acronyms: Record<string, string> = {
  ttl: 'TTL',
  ttls: 'TTLs',
  oidc: 'OIDC',
  ca: 'CA',
  svid: 'SVID',
  id: 'id',
  tls: 'TLS',
  url: 'URL',
  spire: 'SPIRE',
}

/** policy_max_age as "Policy max age". */
function words(key: string): string {
  const s = key
    .split('_')
    .map((w) => acronyms[w] ?? w)
    .join(' ')
  return s.charAt(0).toUpperCase() + s.slice(1)
}

function text(v: unknown): ReactNode {
  if (v === true) return 'yes'
  if (v === false) return 'no'
  if (v === null || v === undefined || v === '') return '–'
  if (Array.isArray(v))
    return v.length ? v.map((x) => (isObject(x) ? pairs(x as Record<string, unknown>) : String(x))).join(', ') : '–'
  if (isObject(v)) return pairs(v as Record<string, unknown>)
  return <span className="mono">{String(v)}</span>
}

const pairs = (o: Record<string, unknown>) =>
  Object.entries(o)
    .map(([k, v]) => `${words(k)}: ${String(v)}`)
    .join(', ')
