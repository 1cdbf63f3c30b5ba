import { IconServer2 } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { hosts } from '@/api/queries'
import type { Host } from '@/api/types'
import { Failure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { Pager, Search, Toolbar, useList } from '@/ui/list'
import { Empty, PageHead } from '@/ui/Page'
import { State } from '@/ui/Status'
import { Ago } from '@/ui/time'

const columns: Column<Host>[] = [
  { id: 'id', header: 'Host', sort: 'id', cell: ({ row }) => <span className="mono wrap">{row.original.id}</span> },
  {
    id: 'member',
    header: 'Enrolled as',
    cell: ({ row: { original: h } }) => (
      <Link to={`/${h.kind}s/${encodeURIComponent(h.member_id)}`}>
        {h.kind} <span className="mono">{h.member_id}</span>
      </Link>
    ),
  },
  {
    id: 'state',
    header: 'State',
    cell: ({ row: { original: h } }) =>
      h.revoked_at ? (
        <State tone="bad" label="revoked" hollow />
      ) : h.cloned ? (
        <State tone="bad" label="cloned" />
      ) : h.contested ? (
        <State tone="bad" label="contested" />
      ) : (
        <State tone="good" label="enrolled" />
      ),
  },
  { id: 'enrolled', header: 'Enrolled', sort: 'enrolled_at', cell: ({ row }) => <Ago at={row.original.enrolled_at} /> },
]

export function Page() {
  const list = useList()
  const page = useQuery(hosts(list.query))
  return (
    <>
      <PageHead
        title="Hosts"
        about="Machines that were enrolled. A host certificate proves the machine; the SVIDs prove what runs on it."
      />
      <div className="surface">
        <Toolbar>
          <Search list={list} label="Search hosts" />
        </Toolbar>
        {page.error ? (
          <Failure error={page.error} retry={() => page.refetch()} />
        ) : (
          <Grid
            label="Hosts"
            columns={columns}
            rows={page.data?.hosts}
            rowKey={(h) => h.id}
            sort={list.sort}
            onSort={(s) => list.set('sort', s)}
            faded={(h) => !!h.revoked_at}
            empty={
              <Empty icon={IconServer2} title={list.filtered ? 'No host matches' : 'No host yet'}>
                {list.filtered
                  ? 'Try another word.'
                  : 'A host appears here when it redeems an enrollment token or its request is approved.'}
              </Empty>
            }
          />
        )}
        <Pager
          list={list}
          shown={page.data?.hosts.length ?? 0}
          total={page.data?.total}
          next={page.data?.next_page_token}
        />
      </div>
    </>
  )
}
