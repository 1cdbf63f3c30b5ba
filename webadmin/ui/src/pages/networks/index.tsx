import { IconAffiliate } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { networks } from '@/api/queries'
import type { Network } from '@/api/types'
import { Failure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { Empty, PageHead } from '@/ui/Page'
import { State } from '@/ui/Status'

const columns: Column<Network>[] = [
  { id: 'name', header: 'Network', cell: ({ row }) => row.original.name || row.original.id },
  { id: 'id', header: 'Id', cell: ({ row }) => <span className="mono">{row.original.id}</span> },
  { id: 'connectors', header: 'Connectors', cell: ({ row }) => row.original.connectors.total.toLocaleString() },
  {
    id: 'online',
    header: 'Online',
    cell: ({ row: { original: n } }) => (
      <State
        tone={n.connectors.online ? 'good' : 'quiet'}
        hollow={!n.connectors.online}
        label={`${n.connectors.online.toLocaleString()} of ${n.connectors.total.toLocaleString()}`}
      />
    ),
  },
]

export function Page() {
  const page = useQuery(networks)
  return (
    <>
      <PageHead title="Networks" about="Each network is served by connectors that can replace one another." />
      <div className="surface">
        {page.error ? (
          <Failure error={page.error} retry={() => page.refetch()} />
        ) : (
          <Grid
            label="Networks"
            columns={columns}
            rows={page.data?.networks}
            rowKey={(n) => n.id}
            empty={
              <Empty icon={IconAffiliate} title="No network yet">
                A network appears with its first connector.
              </Empty>
            }
          />
        )}
      </div>
    </>
  )
}
