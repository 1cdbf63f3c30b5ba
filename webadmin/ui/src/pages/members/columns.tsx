import { Link } from 'react-router'
import type { Connector, Kind, Member, Tunneler } from '@/api/types'
import type { Column } from '@/ui/Grid'
import { AboutLine } from '@/ui/About'
import { Id } from '@/ui/Id'
import { MemberStatus } from '@/ui/Status'
import { Ago, Countdown, Since } from '@/ui/time'

const first = (kind: Kind): Column<Member>[] => [
  {
    id: 'id',
    header: kind === 'connector' ? 'Connector' : 'Tunneler',
    sort: 'id',
    cell: ({ row: { original: m } }) => (
      <>
        <Link to={`/${kind}s/${encodeURIComponent(m.id)}`}>
          <Id of={m.id} />
        </Link>
        <AboutLine of={m} />
      </>
    ),
  },
  { id: 'status', header: 'Status', sort: 'status', cell: ({ row }) => <MemberStatus member={row.original} /> },
]

const last: Column<Member>[] = [
  {
    id: 'svid',
    header: 'SVID expires in',
    cell: ({ row }) => (row.original.svid.not_after ? <Countdown to={row.original.svid.not_after} /> : '–'),
  },
  { id: 'seen', header: 'Last seen', sort: 'last_seen', cell: ({ row }) => <Ago at={row.original.last_seen} /> },
]

const version: Column<Member> = {
  id: 'version',
  header: 'Version',
  sort: 'version',
  cell: ({ row }) => row.original.version || '–',
}

const ofConnectors: Column<Connector>[] = [
  { id: 'ip', header: 'Private IP', cell: ({ row }) => <span className="mono">{row.original.private_ip || '–'}</span> },
  { id: 'stream', header: 'Stream age', cell: ({ row }) => <Since at={row.original.stream_since} none="–" /> },
]

/** The other connectors that the tunneler has sessions with. */
const others = (t: Tunneler) =>
  `also ${t.sessions
    .map((s) => s.connector_id)
    .filter((id) => id !== t.connector_id)
    .join(', ')}`

const ofTunnelers: Column<Tunneler>[] = [
  {
    id: 'connector',
    header: 'Connector',
    cell: ({ row: { original: t } }) =>
      t.connector_id ? (
        <Link to={`/connectors/${encodeURIComponent(t.connector_id)}`}>
          <Id of={t.connector_id} />
          {t.sessions.length > 1 && <span title={others(t)}> +{t.sessions.length - 1}</span>}
        </Link>
      ) : (
        '–'
      ),
  },
  { id: 'session', header: 'Session age', cell: ({ row }) => <Since at={row.original.session_since} none="–" /> },
]

/** The columns of the list of a kind, whose rows are all of that kind. */
export function columnsOf(kind: Kind): Column<Member>[] {
  const own = (kind === 'connector' ? ofConnectors : ofTunnelers) as Column<Member>[]
  return [...first(kind), ...own.slice(0, 1), version, ...own.slice(1), ...last]
}
