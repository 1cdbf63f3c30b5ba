import { Text } from '@mantine/core'
import { Link } from 'react-router'
import type { Tunneler, TunnelerSession } from '@/api/types'
import { Mono } from '@/ui/Copy'
import { type Column, Grid } from '@/ui/Grid'
import { Id } from '@/ui/Id'
import { Facts, Section } from '@/ui/Page'
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
    <Link to={`/connectors/${encodeURIComponent(id)}`}>
      <Id of={id} />
    </Link>
  )
}

/** The sessions that are open. */
export function Sessions({ tunneler: t }: { tunneler: Tunneler }) {
  return (
    <Section title="Sessions" flush={t.sessions.length > 0}>
      <Grid
        label="Sessions"
        columns={columns}
        rows={t.sessions}
        rowKey={(s) => s.connector_id}
        empty={
          <Text size="sm" c="dimmed">
            No session is open. The tunneler opens one as soon as it runs and reaches a connector.
          </Text>
        }
      />
    </Section>
  )
}

/** What its connectors report about a tunneler. */
export function TunnelerFacts({ tunneler: t }: { tunneler: Tunneler }) {
  return (
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
  )
}
