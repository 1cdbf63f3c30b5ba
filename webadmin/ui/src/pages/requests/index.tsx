import { Button, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core'
import { IconChecklist } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { requests } from '@/api/queries'
import type { EnrollRequest } from '@/api/types'
import { useCan } from '@/app/session'
import { Actor } from '@/ui/Actor'
import { ReadFailure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { Id } from '@/ui/Id'
import { Empty, Facts, Loading, PageHead, Section } from '@/ui/Page'
import { State } from '@/ui/Status'
import { Ago, Countdown } from '@/ui/time'
import { Approve } from './Approve'
import { Ask } from './Ask'
import { Deny } from './Deny'
import { Fingerprint } from './Fingerprint'

const decided: Column<EnrollRequest>[] = [
  {
    id: 'member',
    header: 'Host',
    cell: ({ row: { original: r } }) => (
      <>
        {r.kind} <Id of={r.id} />
      </>
    ),
  },
  {
    id: 'state',
    header: 'Decision',
    cell: ({ row }) => <State tone={tone(row.original)} label={row.original.status} hollow />,
  },
  { id: 'by', header: 'By', cell: ({ row }) => <Actor of={row.original.decided_by} /> },
  { id: 'from', header: 'From', cell: ({ row }) => <span className="mono">{row.original.source}</span> },
  { id: 'at', header: 'Requested', cell: ({ row }) => <Ago at={row.original.created_at} /> },
]

const tone = (r: EnrollRequest) =>
  r.status === 'denied' ? 'bad' : r.status === 'enrolled' || r.status === 'approved' ? 'good' : 'quiet'

export function Page() {
  const waiting = useQuery(requests({ status: 'pending', page_size: 100 }))
  const all = useQuery(requests({ page_size: 50 }))
  const before = all.data?.requests.filter((r) => r.status !== 'pending')
  return (
    <>
      <PageHead
        title="Approvals"
        about="Hosts that request enrollment without a token. Approve one only if its screen shows the same fingerprint as here."
      />
      <Stack gap="lg">
        <ReadFailure of={waiting} />
        {waiting.isPending && <Loading />}
        {waiting.data?.requests.length === 0 && (
          <>
            <div className="surface">
              <Empty icon={IconChecklist} title="No host is waiting">
                A host that requests enrollment appears here until the request expires. Its own screen shows the same
                code and fingerprint.
              </Empty>
            </div>
            <Section title="Request enrollment from a host">
              <Ask />
            </Section>
          </>
        )}
        <SimpleGrid cols={{ base: 1, lg: 2 }}>
          {waiting.data?.requests.map((r) => (
            <Request key={r.enrollment_request_id} request={r} />
          ))}
        </SimpleGrid>
        {!!before?.length && (
          <Section title="Decided" flush>
            <Grid
              label="Decided requests"
              columns={decided}
              rows={before}
              rowKey={(r) => r.enrollment_request_id}
              empty={null}
            />
          </Section>
        )}
      </Stack>
    </>
  )
}

/** What the host reports about itself, not verified. */
function says(r: EnrollRequest) {
  return [
    r.hostname,
    r.version && `version ${r.version}`,
    r.systemd_unit || r.binary_path,
    r.ephemeral && 'ephemeral',
    r.second_role && 'on a host that is enrolled already',
  ]
    .filter(Boolean)
    .join(', ')
}

function Request({ request: r }: { request: EnrollRequest }) {
  const [asked, setAsked] = useState<'approve' | 'deny' | null>(null)
  const may = useCan('requests:decide')
  const close = () => setAsked(null)
  return (
    <article className="surface" aria-label={`Request of ${r.kind} ${r.id}`}>
      <Stack p="md">
        <Group justify="space-between" align="flex-start">
          <div>
            <Text size="xs" c="dimmed">
              {r.kind}
            </Text>
            <Title order={2} className="mono wrap">
              {r.id}
            </Title>
          </div>
          <Text size="sm" c="dimmed">
            expires in <Countdown to={r.expires_at} warn={120} />
          </Text>
        </Group>
        <Fingerprint code={r.code} start={r.fingerprint_start} />
        <Facts
          of={[
            ['Reported by the host', says(r)],
            [
              'Requested from',
              <span key="from" className="mono">
                {r.source}
              </span>,
            ],
            ['Requested', <Ago key="at" at={r.created_at} />],
            r.live_id && ['Id in use', 'by an enrolled host, which an approval revokes'],
            r.mismatches && ['Wrong fingerprints', `${r.mismatches}; the third one denies the request`],
          ]}
        />
        {may && (
          <Group>
            <Button onClick={() => setAsked('approve')} aria-label={`Approve ${r.id}`}>
              Approve…
            </Button>
            <Button variant="default" onClick={() => setAsked('deny')} aria-label={`Deny ${r.id}`}>
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
