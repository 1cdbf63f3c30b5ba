import { IconServer2 } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { hosts } from '@/api/queries'
import type { Host } from '@/api/types'
import type { Column } from '@/ui/Grid'
import { AboutLine } from '@/ui/About'
import { Id } from '@/ui/Id'
import { Filter, Search, Toolbar, Typed, useList } from '@/ui/list'
import { ListView } from '@/ui/ListView'
import { memberStates } from '@/ui/states'
import { Empty, PageHead } from '@/ui/Page'
import { Ago } from '@/ui/time'
import { HostMembers, HostStatus } from './HostParts'

const columns: Column<Host>[] = [
  {
    id: 'id',
    header: 'Host',
    sort: 'id',
    cell: ({ row: { original: h } }) => (
      <>
        <Link to={`/hosts/${encodeURIComponent(h.id)}`}>
          <Id of={h.id} />
        </Link>
        <AboutLine of={h} />
      </>
    ),
  },
  {
    id: 'hostname',
    header: 'Reported hostname',
    cell: ({ row }) => <span className="wrap">{row.original.hostname || '–'}</span>,
  },
  { id: 'members', header: 'Roles', cell: ({ row }) => <HostMembers host={row.original} /> },
  { id: 'status', header: 'Status', cell: ({ row }) => <HostStatus host={row.original} /> },
  { id: 'enrolled', header: 'Enrolled', sort: 'enrolled_at', cell: ({ row }) => <Ago at={row.original.enrolled_at} /> },
  { id: 'seen', header: 'Last seen', cell: ({ row }) => <Ago at={row.original.last_seen} /> },
]

export function Page() {
  const list = useList()
  const page = useQuery(hosts(list.query))
  return (
    <>
      <PageHead
        title="Hosts"
        about="Enrolled machines. A host certificate identifies the machine; SVIDs identify the programs on it."
      />
      <div className="surface">
        <Toolbar>
          <Search list={list} label="Search hosts" />
          <Typed list={list} label="Label, such as env=prod" name="label" wide />
          <Filter list={list} label="Status of hosts" options={memberStates} />
        </Toolbar>
        <ListView
          list={list}
          page={page}
          label="Hosts"
          columns={columns}
          rows={page.data?.hosts}
          rowKey={(h) => h.id}
          faded={(h) => !!h.revoked_at}
          empty={
            <Empty icon={IconServer2} title={list.filtered ? 'No host matches' : 'No host yet'}>
              {list.filtered
                ? 'Change the search or remove the filters.'
                : 'A host appears here when it redeems an enrollment token or its request is approved.'}
            </Empty>
          }
        />
      </div>
    </>
  )
}
