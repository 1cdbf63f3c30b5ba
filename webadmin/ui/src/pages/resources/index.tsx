import { Button } from '@mantine/core'
import { IconDatabase, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import { type ResourceQuery, resources } from '@/api/access'
import type { Resource } from '@/api/types'
import { useCan } from '@/app/session'
import { AboutLine } from '@/ui/About'
import type { Column } from '@/ui/Grid'
import { Id } from '@/ui/Id'
import { Search, Toolbar, Typed, useList } from '@/ui/list'
import { ListView } from '@/ui/ListView'
import { Empty, PageHead } from '@/ui/Page'
import { CreateResource } from './Form'
import { Hosts } from './Hosts'

const columns: Column<Resource>[] = [
  {
    id: 'id',
    header: 'Resource',
    sort: 'id',
    cell: ({ row: { original: r } }) => (
      <>
        <Link to={`/resources/${encodeURIComponent(r.id)}`}>
          <Id of={r.id} />
        </Link>
        <AboutLine of={{ name: r.name === r.id ? '' : r.name, labels: r.labels ?? {} }} />
      </>
    ),
  },
  { id: 'hosts', header: 'Hosts', cell: ({ row }) => <Hosts of={row.original} /> },
  {
    id: 'ports',
    header: 'Ports',
    cell: ({ row }) => <span className="mono wrap">{row.original.ports.join(', ')}</span>,
  },
  {
    id: 'network',
    header: 'Network',
    cell: ({ row }) => (
      <Link to={`/networks?q=${encodeURIComponent(row.original.network_id)}`}>
        <Id of={row.original.network_id} />
      </Link>
    ),
  },
]

export function Page() {
  const list = useList({ sort: 'id' })
  const network = list.get('network').trim()
  const { page_size, page_token, sort, label, q } = list.query
  const query = { page_size, page_token, sort, label, q, network: network || undefined }
  const page = useQuery(resources(query as ResourceQuery))
  const may = useCan('fleet:write')
  const [creating, setCreating] = useState(false)
  const filtered = list.filtered || !!network
  const create = may && (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
      Create resource
    </Button>
  )
  return (
    <>
      <PageHead
        title="Resources"
        about="TCP ports of hosts behind your connectors. Nobody reaches one without a grant of it."
        actions={create}
      />
      <div className="surface">
        <Toolbar>
          <Search list={list} label="Search resources" />
          <Typed list={list} label="Label, such as env=prod" name="label" wide />
          <Typed list={list} label="Network" name="network" />
        </Toolbar>
        <ListView
          list={list}
          page={page}
          label="Resources"
          columns={columns}
          rows={page.data?.resources}
          rowKey={(r) => r.id}
          empty={
            <Empty
              icon={IconDatabase}
              title={filtered ? 'No resource matches' : 'No resource yet'}
              action={!filtered && create}
            >
              {filtered
                ? 'Change the search or remove the filters.'
                : 'A resource says what there is to reach, such as port 5432 of db.corp. A grant says who may.'}
            </Empty>
          }
        />
      </div>
      {creating && <CreateResource close={() => setCreating(false)} />}
    </>
  )
}
