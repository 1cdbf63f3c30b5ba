import { Button } from '@mantine/core'
import { IconPlugConnected, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { connectors } from '@/api/queries'
import type { Connector } from '@/api/types'
import { useCan } from '@/app/session'
import { Failure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { Filter, Pager, Search, Toolbar, useList } from '@/ui/list'
import { memberStates } from '@/ui/member/states'
import { Empty, PageHead } from '@/ui/Page'
import { MemberStatus } from '@/ui/Status'
import { Ago, Countdown, Since } from '@/ui/time'

const columns: Column<Connector>[] = [
  {
    id: 'id',
    header: 'Connector',
    sort: 'id',
    cell: ({ row: { original: c } }) => (
      <Link to={`/connectors/${encodeURIComponent(c.id)}`} className="mono">
        {c.id}
      </Link>
    ),
  },
  { id: 'status', header: 'Status', sort: 'status', cell: ({ row }) => <MemberStatus member={row.original} /> },
  { id: 'ip', header: 'Private IP', cell: ({ row }) => <span className="mono">{row.original.private_ip || '–'}</span> },
  { id: 'version', header: 'Version', sort: 'version', cell: ({ row }) => row.original.version || '–' },
  { id: 'stream', header: 'Stream age', cell: ({ row }) => <Since at={row.original.stream_since} none="–" /> },
  {
    id: 'svid',
    header: 'SVID expires in',
    cell: ({ row }) => (row.original.svid.not_after ? <Countdown to={row.original.svid.not_after} /> : '–'),
  },
  { id: 'seen', header: 'Last seen', sort: 'last_seen', cell: ({ row }) => <Ago at={row.original.last_seen} /> },
]

export function Page() {
  const list = useList({ sort: 'id' })
  const page = useQuery(connectors(list.query))
  const mayCreate = useCan('tokens:write')
  const create = mayCreate && (
    <Button component={Link} to="/connectors/new" leftSection={<IconPlus size={16} />}>
      Add connector
    </Button>
  )
  return (
    <>
      <PageHead
        title="Connectors"
        about="They run inside your private networks, keep a stream to this controller and accept tunnelers."
        actions={create}
      />
      <div className="surface">
        <Toolbar>
          <Search list={list} label="Search connectors" />
          <Filter list={list} label="Status of connectors" options={memberStates} />
        </Toolbar>
        {page.error ? (
          <Failure error={page.error} retry={() => page.refetch()} />
        ) : (
          <Grid
            label="Connectors"
            columns={columns}
            rows={page.data?.connectors}
            rowKey={(c) => c.id}
            sort={list.sort}
            onSort={(s) => list.set('sort', s)}
            faded={(c) => !!c.revoked_at}
            empty={
              list.filtered ? (
                <Empty icon={IconPlugConnected} title="No connector matches">
                  Change the search or remove the filters.
                </Empty>
              ) : (
                <Empty icon={IconPlugConnected} title="No connector yet" action={create}>
                  Add one for each private network: create an enrollment token, run one command on a host inside the
                  network, and watch it come online here.
                </Empty>
              )
            }
          />
        )}
        <Pager
          list={list}
          shown={page.data?.connectors.length ?? 0}
          total={page.data?.total}
          next={page.data?.next_page_token}
        />
      </div>
    </>
  )
}
