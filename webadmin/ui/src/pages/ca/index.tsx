import { Alert, Badge, Button, SimpleGrid, Stack, Text } from '@mantine/core'
import { IconRefresh } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { ca } from '@/api/queries'
import type { Authority, CA } from '@/api/types'
import { useCan } from '@/app/session'
import { Mono } from '@/ui/Copy'
import { ReadFailure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { Empty, Facts, Loading, PageHead, Section } from '@/ui/Page'
import { durationOf } from '@/ui/duration'
import { State } from '@/ui/Status'
import { At, Countdown } from '@/ui/time'
import { Bootstrap } from './Bootstrap'
import { GateView } from './Gate'
import { RotationView } from './Rotation'
import { Wizard } from './Wizard'

const tones = { active: 'good', prepared: 'warn', old: 'quiet', other: 'quiet' } as const

const columns: Column<Authority>[] = [
  { id: 'id', header: 'Authority', cell: ({ row }) => <Mono value={row.original.id} label="authority id" /> },
  {
    id: 'state',
    header: 'State',
    cell: ({ row: { original: a } }) => (
      <State tone={tones[a.status as keyof typeof tones] ?? 'quiet'} label={a.status} hollow={a.status !== 'active'} />
    ),
  },
  {
    id: 'trust',
    header: 'Trust',
    cell: ({ row: { original: a } }) => (
      <>
        {a.trusted ? 'in the bundle' : 'not in the bundle'} {a.tainted && <Badge color="yellow">tainted</Badge>}
      </>
    ),
  },
  {
    id: 'expires',
    header: 'Expires in',
    cell: ({ row: { original: a } }) => <Countdown to={a.expires_at} warn={3600} />,
  },
  {
    id: 'at',
    header: 'Expires',
    cell: ({ row }) => <At at={row.original.expires_at} />,
  },
]

export function Page() {
  const read = useQuery({
    ...ca,
    // There is no event for each peer that a rotation has reached.
    refetchInterval: (q) => (q.state.data?.rotation?.status === 'running' ? 1500 : false),
  })
  const { data, error } = read
  const [wizard, setWizard] = useState(false)
  const may = useCan('ca:rotate')
  const busy = data?.rotation?.status === 'running' || data?.rotation?.status === 'paused'
  return (
    <>
      <PageHead
        title="Certificate authority"
        about="SPIRE's authorities sign every SVID. A rotation replaces the active one without dropping a stream: each step waits until all online members are ready."
        actions={
          may && (
            <Button
              leftSection={<IconRefresh size={16} />}
              onClick={() => setWizard(true)}
              disabled={!data || busy || !!data.upstream}
            >
              Rotate…
            </Button>
          )
        }
      />
      <ReadFailure of={read} />
      {!data && !error && <Loading lines={8} />}
      {data && <Content ca={data} />}
      {wizard && <Wizard close={() => setWizard(false)} />}
    </>
  )
}

function Content({ ca: c }: { ca: CA }) {
  return (
    <Stack gap="md">
      {c.upstream && (
        <Alert color="yellow" title="An upstream authority is above SPIRE's">
          <Text size="sm" c="var(--mantine-color-text)">
            <span className="mono">{c.upstream}</span> signs SPIRE's authorities, so rotate them there. This controller
            refuses to.
          </Text>
        </Alert>
      )}
      {c.rotation && <RotationView rotation={c.rotation} />}
      {c.automatic && (
        <Section title="SPIRE's own rotation">
          <Stack>
            <Text size="sm">
              SPIRE is rotating by itself, as it does before an authority expires; it does not wait for members. Phase:{' '}
              {c.automatic.phase}, authority <span className="mono">{c.automatic.authority}</span>.
            </Text>
            <GateView gate={c.automatic.gate} label="Members that already have it" />
          </Stack>
        </Section>
      )}
      <Section title="Authorities" flush>
        <Grid
          label="Authorities"
          columns={columns}
          rows={c.authorities}
          rowKey={(a) => a.id}
          empty={
            <Empty icon={IconRefresh} title="No authority">
              SPIRE reported no authority. Check that the spire-server runs.
            </Empty>
          }
        />
      </Section>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Section title="Outage budget">
          <Text size="sm" c="dimmed" mb="sm">
            How long open sessions continue if this controller is down. The shorter limit counts.
          </Text>
          <Facts
            of={[
              ['Maximum age of the policy', durationOf(c.outage_budget.policy_age)],
              ...c.outage_budget.identity.map((b): [string, string] => [
                `Identity of a ${b.kind}`,
                `${durationOf(b.least)} to ${durationOf(b.most)}`,
              ]),
            ]}
          />
        </Section>
        <Bootstrap />
      </SimpleGrid>
    </Stack>
  )
}
