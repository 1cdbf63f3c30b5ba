import { IconArrowsLeftRight } from '@tabler/icons-react'
import { Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { flows } from '@/api/flows'
import type { FlowRecord } from '@/api/types'
import { useCan } from '@/app/session'
import { Days } from '@/pages/audit/Days'
import { endOf as endOfDay, startOf as startOfDay } from '@/pages/audit/days'
import { Download } from '@/pages/audit/Download'
import { sentenceOf } from '@/ui/decisions'
import { bytes } from '@/ui/bytes'
import type { Column } from '@/ui/Grid'
import { Id } from '@/ui/Id'
import { Toolbar, Typed, useList } from '@/ui/list'
import { ListView } from '@/ui/ListView'
import { NotAllowed } from '@/ui/NotAllowed'
import { Empty, PageHead } from '@/ui/Page'
import { State } from '@/ui/Status'
import { At, span } from '@/ui/time'
import { endOf, toneOf } from './ends'
import { Sums } from './Sums'

const to = (list: string, id: string) => (
  <Link to={`/${list}/${encodeURIComponent(id)}`}>
    <Id of={id} />
  </Link>
)

const carried = (f: FlowRecord, n: number) => <span className="numbers whole">{f.connected ? bytes(n) : '–'}</span>

/** What stands below the value of a cell. */
const Below = ({ children }: { children: ReactNode }) => (
  <Text size="xs" c="dimmed" component="div" className="wrap">
    {children}
  </Text>
)

const columns: Column<FlowRecord>[] = [
  {
    id: 'ended',
    header: 'Ended',
    cell: ({ row: { original: f } }) => (
      <>
        <At at={f.ended_at} />
        {f.connected && <Below>after {span(Date.parse(f.ended_at) - Date.parse(f.opened_at))}</Below>}
      </>
    ),
  },
  {
    id: 'who',
    header: 'Tunneler and connector',
    cell: ({ row: { original: f } }) => (
      <>
        {to('tunnelers', f.tunneler_id)}
        <Below>{to('connectors', f.connector_id)}</Below>
      </>
    ),
  },
  {
    id: 'target',
    header: 'Target',
    head: true,
    cell: ({ row: { original: f } }) => (
      <>
        <span className="mono target">{f.target}</span>
        {f.resource_id && <Below>{to('resources', f.resource_id)}</Below>}
      </>
    ),
  },
  {
    id: 'how',
    header: 'How it ended',
    cell: ({ row: { original: f } }) => (
      <>
        <State tone={toneOf(f)} label={endOf(f.code)} hollow={!f.connected} />
        {f.count > 1 && (
          <Text span size="sm" c="dimmed" className="whole">
            {' '}
            {f.count.toLocaleString()} times
          </Text>
        )}
        {f.code === 'refused' && <Below>{sentenceOf(f.decision)}</Below>}
      </>
    ),
  },
  { id: 'up', header: 'Bytes to it', cell: ({ row: { original: f } }) => carried(f, f.bytes_up) },
  { id: 'down', header: 'Bytes from it', cell: ({ row: { original: f } }) => carried(f, f.bytes_down) },
]

const filters = ['tunneler', 'resource', 'target', 'connector', 'code', 'since', 'until'] as const

/** Flows that are over: who reached what, for how long, and why it ended. */
export function Page() {
  if (useCan('audit:read')) return <Flows />
  return (
    <>
      <PageHead title="Flows" />
      <NotAllowed to="see flows" role="auditor" />
    </>
  )
}

function Flows() {
  const list = useList()
  const get = (name: string) => list.get(name).trim() || undefined
  const query = {
    page_size: list.query.page_size,
    page_token: list.query.page_token,
    tunneler: get('tunneler'),
    resource: get('resource'),
    target: get('target'),
    connector: get('connector'),
    code: get('code'),
    since: startOfDay(list.get('since')),
    until: endOfDay(list.get('until')),
  }
  const page = useQuery(flows(query))
  const filtered = filters.some((f) => list.get(f))
  return (
    <>
      <PageHead
        title="Flows"
        about="Connections that tunnelers had through connectors, and refused ones. A flow is recorded when it has ended."
        actions={<Download path="/flows/export" query={query} />}
      />
      <Sums />
      <div className="surface">
        <Toolbar>
          <Typed list={list} name="tunneler" label="Tunneler" wide />
          <Typed list={list} name="resource" label="Resource" />
          <Typed list={list} name="target" label="Target" />
          <Typed list={list} name="code" label="Code" />
          <Days list={list} />
        </Toolbar>
        <ListView
          list={list}
          page={page}
          label="Flows"
          columns={columns}
          rows={page.data?.flows}
          rowKey={(f) => f.id}
          empty={
            <Empty icon={IconArrowsLeftRight} title={filtered ? 'No flow matches' : 'No flow yet'}>
              {page.data?.next_page_token
                ? 'None among these 10,000 flows; the next page searches older ones.'
                : filtered
                  ? 'Filters match whole values; a * at the end matches every value with that beginning.'
                  : 'A flow appears here within seconds of its end, and a refused one within a minute.'}
            </Empty>
          }
        />
      </div>
    </>
  )
}
