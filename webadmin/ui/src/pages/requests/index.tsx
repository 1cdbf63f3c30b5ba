import { Button, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { IconChecklist } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { requests } from '@/api/queries'
import type { EnrollRequest } from '@/api/types'
import { useCan } from '@/app/session'
import { Failure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { Empty, Facts, Loading, PageHead, Section } from '@/ui/Page'
import { State } from '@/ui/Status'
import { Ago, Countdown } from '@/ui/time'
import { Approve } from './Approve'
import { Deny } from './Deny'
import { Fingerprint } from './Fingerprint'

const decided: Column<EnrollRequest>[] = [
  {
    id: 'member',
    header: 'Host',
    cell: ({ row: { original: r } }) => (
      <>
        {r.kind} <span className="mono">{r.member_id}</span>
      </>
    ),
  },
  {
    id: 'state',
    header: 'Decision',
    cell: ({ row }) => <State tone={tone(row.original)} label={row.original.state} hollow />,
  },
  { id: 'by', header: 'By', cell: ({ row }) => row.original.decided_by || '–' },
  { id: 'from', header: 'From', cell: ({ row }) => <span className="mono">{row.original.remote_address}</span> },
  { id: 'at', header: 'Asked', cell: ({ row }) => <Ago at={row.original.created_at} /> },
]

const tone = (r: EnrollRequest) => (r.state === 'denied' ? 'bad' : r.state === 'expired' ? 'quiet' : 'good')

export function Page() {
  const waiting = useQuery(requests({ status: 'pending', page_size: 100 }))
  const all = useQuery(requests({ page_size: 50 }))
  const before = all.data?.requests.filter((r) => r.state !== 'pending')
  return (
    <>
      <PageHead
        title="Approvals"
        about="Hosts that asked to be enrolled without a token. Approve one only if its screen shows the same fingerprint as here."
      />
      <Stack gap="lg">
        {waiting.error && <Failure error={waiting.error} retry={() => waiting.refetch()} />}
        {waiting.isPending && <Loading />}
        {waiting.data?.requests.length === 0 && (
          <div className="surface">
            <Empty icon={IconChecklist} title="Nobody is waiting">
              Run <code>grpcconnector enroll --request</code> or <code>grpctunneler enroll --request</code> on a host.
              It shows a short code and a fingerprint, and appears here until it expires.
            </Empty>
          </div>
        )}
        <SimpleGrid cols={{ base: 1, lg: 2 }}>
          {waiting.data?.requests.map((r) => (
            <Request key={r.id} request={r} />
          ))}
        </SimpleGrid>
        {!!before?.length && (
          <Section title="Decided" flush>
            <Grid label="Decided requests" columns={decided} rows={before} rowKey={(r) => r.id} empty={null} />
          </Section>
        )}
      </Stack>
    </>
  )
}

function Request({ request: r }: { request: EnrollRequest }) {
  const [asked, setAsked] = useState<'approve' | 'deny' | null>(null)
  const may = useCan('requests:decide')
  const close = () => setAsked(null)
  return (
    <article className="surface" aria-label={`Request of ${r.kind} ${r.member_id}`}>
      <Stack p="md">
        <Group justify="space-between" align="flex-start">
          <div>
            <Text size="xs" c="dimmed">
              {r.kind}
            </Text>
            <Title order={2} className="mono wrap">
              {r.member_id}
            </Title>
          </div>
          <Text size="sm" c="dimmed">
            expires in <Countdown to={r.expires_at} warn={120} />
          </Text>
        </Group>
        <Fingerprint code={r.code} fingerprint={r.fingerprint} />
        <Facts
          of={[
            ...(r.hostname ? [['Says its name is', r.hostname] as [string, string]] : []),
            [
              'Asked from',
              <span key="from" className="mono">
                {r.remote_address}
              </span>,
            ],
            ['Asked', <Ago key="at" at={r.created_at} />],
          ]}
        />
        {may && (
          <Group>
            <Button onClick={() => setAsked('approve')} aria-label={`Approve ${r.member_id}`}>
              Approve…
            </Button>
            <Button variant="default" onClick={() => setAsked('deny')} aria-label={`Deny ${r.member_id}`}>
              Deny
            </Button>
          </Group>
        )}
      </Stack>
      {asked === 'approve' && <Approve request={r} close={close} />}
      {asked === 'deny' && <Deny request={r} close={close} />}
    </article>
  )
}
