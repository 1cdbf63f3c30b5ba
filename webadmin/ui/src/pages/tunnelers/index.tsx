import { Button } from '@mantine/core'
import { IconPlus, IconRoute } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { tunnelers } from '@/api/queries'
import type { Tunneler } from '@/api/types'
import { useCan } from '@/app/session'
import { Failure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { Filter, Pager, Search, Toolbar, useList } from '@/ui/list'
import { memberStates } from '@/ui/member/states'
import { Empty, PageHead } from '@/ui/Page'
import { MemberStatus } from '@/ui/Status'
import { Ago, Countdown, Since } from '@/ui/time'

/** The connectors of its sessions beside the one that it is shown at. */
const others = (t: Tunneler) =>
  `also ${t.sessions
    .map((s) => s.connector_id)
    .filter((id) => id !== t.connector_id)
    .join(', ')}`

const columns: Column<Tunneler>[] = [
  {
    id: 'id',
    header: 'Tunneler',
    sort: 'id',
    cell: ({ row: { original: t } }) => (
      <Link to={`/tunnelers/${encodeURIComponent(t.id)}`} className="mono">
        {t.id}
      </Link>
    ),
  },
  { id: 'status', header: 'Status', sort: 'status', cell: ({ row }) => <MemberStatus member={row.original} /> },
  {
    id: 'connector',
    header: 'Connector',
    cell: ({ row: { original: t } }) =>
      t.connector_id ? (
        <Link to={`/connectors/${encodeURIComponent(t.connector_id)}`} className="mono">
          {t.connector_id}
          {t.sessions.length > 1 && <span title={others(t)}> +{t.sessions.length - 1}</span>}
        </Link>
      ) : (
        '–'
      ),
  },
  { id: 'version', header: 'Version', sort: 'version', cell: ({ row }) => row.original.version || '–' },
  { id: 'session', header: 'Session age', cell: ({ row }) => <Since at={row.original.session_since} none="–" /> },
  {
    id: 'svid',
    header: 'SVID expires in',
    cell: ({ row }) => (row.original.svid.not_after ? <Countdown to={row.original.svid.not_after} /> : '–'),
  },
  { id: 'seen', header: 'Last seen', sort: 'last_seen', cell: ({ row }) => <Ago at={row.original.last_seen} /> },
]

export function Page() {
  const list = useList({ sort: 'id' })
  const page = useQuery(tunnelers(list.query))
  const mayCreate = useCan('tokens:write')
  const create = mayCreate && (
    <Button component={Link} to="/tunnelers/new" leftSection={<IconPlus size={16} />}>
      Add tunneler
    </Button>
  )
  return (
    <>
      <PageHead
        title="Tunnelers"
        about="They run on the hosts of users and services. The connectors that they are connected to report their state."
        actions={create}
      />
      <div className="surface">
        <Toolbar>
          <Search list={list} label="Search tunnelers" />
          <Filter list={list} label="Status of tunnelers" options={memberStates} />
        </Toolbar>
        {page.error ? (
          <Failure error={page.error} retry={() => page.refetch()} />
        ) : (
          <Grid
            label="Tunnelers"
            columns={columns}
            rows={page.data?.tunnelers}
            rowKey={(t) => t.id}
            sort={list.sort}
            onSort={(s) => list.set('sort', s)}
            faded={(t) => !!t.revoked_at}
            empty={
              list.filtered ? (
                <Empty icon={IconRoute} title="No tunneler matches">
                  Change the search or remove the filters.
                </Empty>
              ) : (
                <Empty icon={IconRoute} title="No tunneler yet" action={create}>
                  A tunneler gives a host access to the networks behind your connectors. Create an enrollment token and
                  run one command on the host.
                </Empty>
              )
            }
          />
        )}
        <Pager
          list={list}
          shown={page.data?.tunnelers.length ?? 0}
          total={page.data?.total}
          next={page.data?.next_page_token}
        />
      </div>
    </>
  )
}
