import { SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from 'react-router'
import { tunneler } from '@/api/queries'
import type { TunnelerSession } from '@/api/types'
import { Mono } from '@/ui/Copy'
import { Failure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { History } from '@/ui/member/History'
import { Identity } from '@/ui/member/Identity'
import { Revoke } from '@/ui/member/Revoke'
import { Warnings } from '@/ui/member/Warnings'
import { Facts, Loading, PageHead, Section } from '@/ui/Page'
import { MemberStatus } from '@/ui/Status'
import { Ago, Since } from '@/ui/time'

const columns: Column<TunnelerSession>[] = [
  { id: 'connector', header: 'Connector', cell: ({ row }) => <ToConnector id={row.original.connector_id} /> },
  { id: 'since', header: 'Session age', cell: ({ row }) => <Since at={row.original.since} none="–" /> },
  { id: 'reported', header: 'Last report', cell: ({ row }) => <Ago at={row.original.last_report} /> },
  {
    id: 'from',
    header: 'Seen from',
    cell: ({ row }) => <span className="mono">{row.original.remote_address || '–'}</span>,
  },
]

function ToConnector({ id }: { id: string }) {
  return (
    <Link to={`/connectors/${encodeURIComponent(id)}`} className="mono">
      {id}
    </Link>
  )
}

export function Page() {
  const { id = '' } = useParams()
  const { data: t, error, refetch } = useQuery(tunneler(id))
  const up = { to: '/tunnelers', label: 'Tunnelers' }
  if (error) {
    return (
      <>
        <PageHead title={id} up={up} />
        <Failure error={error} retry={() => refetch()} />
      </>
    )
  }
  if (!t) {
    return (
      <>
        <PageHead title={id} up={up} />
        <Loading lines={9} />
      </>
    )
  }
  return (
    <>
      <PageHead
        title={t.id}
        up={up}
        badge={<MemberStatus member={t} />}
        actions={
          <Revoke
            kind="tunneler"
            member={t}
            consequences={[
              'every connector closes its session and the connections inside it;',
              'its registration entry is deleted, and the SPIRE agent of its host is banned if the host has no other role;',
              'its current SVID is refused from now on, and expires by itself;',
              'the host has no access to your networks until it is enrolled again.',
            ]}
          />
        }
      />
      <Warnings kind="tunneler" member={t} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Stack gap="md">
          <Identity member={t} />
          <Section title="Sessions">
            <Grid
              label="Sessions"
              columns={columns}
              rows={t.sessions}
              rowKey={(s) => s.connector_id}
              empty={
                <Text size="sm" c="dimmed">
                  No session is open.
                </Text>
              }
            />
          </Section>
          <Section title="Connection">
            <Facts
              of={[
                ['Connector', t.connector_id ? <ToConnector key="c" id={t.connector_id} /> : 'never attached'],
                ['Reported by', t.reported_by ? <span className="mono">{t.reported_by}</span> : 'no connector yet'],
                ['Last seen', <Ago key="seen" at={t.last_seen} />],
                [
                  'Remote address',
                  t.remote_address ? <Mono key="remote" value={t.remote_address} label="remote address" /> : '–',
                ],
                ['Version', t.version || '–'],
                ['Enrolled', <Ago key="enrolled" at={t.enrolled_at} />],
              ]}
            />
          </Section>
        </Stack>
        <History kind="tunneler" id={t.id} />
      </SimpleGrid>
    </>
  )
}
