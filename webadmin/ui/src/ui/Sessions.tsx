import { Badge, Button } from '@mantine/core'
import { IconDeviceDesktop } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import type { SessionRecord } from '@/api/types'
import { type Column, Grid } from './Grid'
import { Empty } from './Page'
import { Ago, Countdown } from './time'

type SessionsProps = {
  label: string
  sessions?: SessionRecord[]
  end: (s: SessionRecord) => void
  whose?: boolean
  /** What stands there if there are none, and how to get one. */
  empty?: ReactNode
}

/** Where somebody is signed in, and the way to end it. */
export function Sessions({ label, sessions, end, whose, empty = nobody }: SessionsProps) {
  const columns: Column<SessionRecord>[] = [
    ...(whose
      ? [
          {
            id: 'who',
            header: 'Person',
            cell: ({ row }: { row: { original: SessionRecord } }) => row.original.person_email,
          },
        ]
      : []),
    {
      id: 'device',
      header: 'Where',
      cell: ({ row: { original: s } }) => (
        <span title={s.user_agent}>
          {s.method === 'device' ? `command line on ${s.user_agent || 'a host'}` : browser(s.user_agent)}{' '}
          {s.current && <Badge ml={6}>this one</Badge>}
        </span>
      ),
    },
    { id: 'from', header: 'From', cell: ({ row }) => <span className="mono">{row.original.source}</span> },
    { id: 'since', header: 'Signed in', cell: ({ row }) => <Ago at={row.original.created_at} /> },
    { id: 'seen', header: 'Last used', cell: ({ row }) => <Ago at={row.original.last_seen_at} /> },
    { id: 'ends', header: 'Ends in', cell: ({ row }) => <Countdown to={row.original.expires_at} /> },
    {
      id: 'end',
      header: '',
      cell: ({ row: { original: s } }) =>
        !s.current && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="red"
            onClick={() => end(s)}
            aria-label={`End session of ${s.person_email} from ${s.source}`}
          >
            End
          </Button>
        ),
    },
  ]
  return <Grid label={label} columns={columns} rows={sessions} rowKey={(s) => s.id} skeletons={3} empty={empty} />
}

const nobody = (
  <Empty icon={IconDeviceDesktop} title="No session">
    A session appears here when somebody signs in.
  </Empty>
)

const known = [
  [/Edg\//, 'Edge'],
  [/Firefox\//, 'Firefox'],
  [/(HeadlessChrome|Chromium|Chrome)\//, 'Chrome'],
  [/Safari\//, 'Safari'],
] as const

const systems = [
  [/Windows/, 'Windows'],
  [/Android/, 'Android'],
  [/iPhone|iPad/, 'iOS'],
  [/Mac OS/, 'macOS'],
  [/Linux/, 'Linux'],
] as const

/** The browser and system of a user agent, as the browser claims. */
function browser(agent: string): string {
  const name = known.find(([re]) => re.test(agent))?.[1]
  const system = systems.find(([re]) => re.test(agent))?.[1]
  if (!name) return agent.slice(0, 40) || 'unknown'
  return system ? `${name} on ${system}` : name
}
