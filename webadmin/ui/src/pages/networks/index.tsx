import { Button, Group } from '@mantine/core'
import { IconAffiliate, IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link } from 'react-router'
import { networkList } from '@/api/queries'
import type { Network } from '@/api/types'
import { useCan } from '@/app/session'
import type { Column } from '@/ui/Grid'
import { Id } from '@/ui/Id'
import { Search, Toolbar, useList } from '@/ui/list'
import { ListView } from '@/ui/ListView'
import { Empty, PageHead } from '@/ui/Page'
import { State } from '@/ui/Status'
import { CreateNetwork, DeleteNetwork, EditNetwork } from './Dialogs'

const columns: Column<Network>[] = [
  {
    id: 'name',
    header: 'Network',
    sort: 'name',
    cell: ({ row }) => <span className="wrap">{row.original.name || row.original.id}</span>,
  },
  { id: 'id', header: 'Id', sort: 'id', cell: ({ row }) => <Id of={row.original.id} /> },
  {
    id: 'online',
    header: 'Connectors online',
    cell: ({ row: { original: n } }) => (
      <State
        tone={n.connectors.online ? 'good' : 'quiet'}
        hollow={!n.connectors.online}
        label={`${n.connectors.online.toLocaleString()} of ${n.connectors.total.toLocaleString()}`}
      />
    ),
  },
  {
    id: 'prefixes',
    header: 'Declared prefixes',
    cell: ({ row: { original: n } }) =>
      n.prefixes?.length ? (
        <span className="mono wrap">{n.prefixes.join(', ')}</span>
      ) : (
        <span title="None are declared">private addresses</span>
      ),
  },
  {
    id: 'resources',
    header: 'Resources',
    cell: ({ row: { original: n } }) => (
      <Link to={`/resources?network=${encodeURIComponent(n.id)}`} aria-label={`Show resources of network ${n.id}`}>
        Show
      </Link>
    ),
  },
]

const actions: Column<Network> = {
  id: 'actions',
  header: '',
  cell: ({ row }) => <Actions network={row.original} />,
}

export function Page() {
  const list = useList()
  const page = useQuery(networkList(list.query))
  const may = useCan('fleet:write')
  const [creating, setCreating] = useState(false)
  const create = may && (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
      Create network
    </Button>
  )
  return (
    <>
      <PageHead
        title="Networks"
        about="Each network is served by connectors that can replace one another. Move a connector on its own page, under Edit."
        actions={create}
      />
      <div className="surface">
        <Toolbar>
          <Search list={list} label="Search networks" />
        </Toolbar>
        <ListView
          list={list}
          page={page}
          label="Networks"
          columns={may ? [...columns, actions] : columns}
          rows={page.data?.networks}
          rowKey={(n) => n.id}
          empty={
            <Empty
              icon={IconAffiliate}
              title={list.filtered ? 'No network matches' : 'No network yet'}
              action={!list.filtered && create}
            >
              {list.filtered
                ? 'Change the search.'
                : 'A network appears with its first connector, or when somebody creates it.'}
            </Empty>
          }
        />
      </div>
      {creating && <CreateNetwork close={() => setCreating(false)} />}
    </>
  )
}

function Actions({ network: n }: { network: Network }) {
  const [asked, setAsked] = useState<'edit' | 'delete' | null>(null)
  const close = () => setAsked(null)
  return (
    <Group gap={4} justify="flex-end" wrap="nowrap">
      <Button size="compact-xs" variant="subtle" onClick={() => setAsked('edit')} aria-label={`Edit network ${n.id}`}>
        Edit
      </Button>
      {n.created_at && (
        <Button
          size="compact-xs"
          variant="subtle"
          color="red"
          onClick={() => setAsked('delete')}
          aria-label={`Delete network ${n.id}`}
        >
          Delete
        </Button>
      )}
      {asked === 'edit' && <EditNetwork network={n} close={close} />}
      {asked === 'delete' && <DeleteNetwork network={n} close={close} />}
    </Group>
  )
}
