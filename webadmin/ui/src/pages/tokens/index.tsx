import { Button, Menu } from '@mantine/core'
import { IconChevronDown, IconTicket } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { tokens } from '@/api/queries'
import type { Token } from '@/api/types'
import { useCan } from '@/app/session'
import { Actor } from '@/ui/Actor'
import type { Column } from '@/ui/Grid'
import { Id } from '@/ui/Id'
import { Filter, Search, Toolbar, useList } from '@/ui/list'
import { ListView } from '@/ui/ListView'
import { Empty, PageHead } from '@/ui/Page'
import { Ago, Countdown } from '@/ui/time'
import { RevokeToken } from './RevokeToken'
import { TokenState } from './TokenState'

const columns: Column<Token>[] = [
  {
    id: 'for',
    header: 'For',
    sort: 'id',
    cell: ({ row: { original: t } }) => (
      <Link to={`/tokens/${encodeURIComponent(t.token_id)}`}>
        {t.kind} <Id of={t.id} />
      </Link>
    ),
  },
  { id: 'state', header: 'State', cell: ({ row }) => <TokenState token={row.original} /> },
  { id: 'delivery', header: 'Delivery', cell: ({ row }) => row.original.delivery ?? 'plain' },
  {
    id: 'from',
    header: 'Allowed from',
    cell: ({ row }) => <span className="mono">{row.original.source_cidr || 'anywhere'}</span>,
  },
  { id: 'by', header: 'Created by', cell: ({ row }) => <Actor of={row.original.created_by} /> },
  { id: 'created', header: 'Created', sort: 'created_at', cell: ({ row }) => <Ago at={row.original.created_at} /> },
  {
    id: 'expires',
    header: 'Expires in',
    cell: ({ row: { original: t } }) => (t.status === 'pending' ? <Countdown to={t.expires_at} warn={120} /> : '–'),
  },
  { id: 'revoke', header: '', cell: ({ row }) => <RevokeToken token={row.original} compact /> },
]

const states = [
  { value: 'pending', label: 'Pending' },
  { value: 'redeemed', label: 'Redeemed' },
  { value: 'expired', label: 'Expired' },
  { value: 'revoked', label: 'Revoked' },
]

function Create() {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button rightSection={<IconChevronDown size={15} />}>Create token</Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item component={Link} to="/connectors/new">
          For a connector
        </Menu.Item>
        <Menu.Item component={Link} to="/tunnelers/new">
          For a tunneler
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  )
}

export function Page() {
  const list = useList()
  const page = useQuery(tokens(list.query))
  const mayCreate = useCan('tokens:write')
  return (
    <>
      <PageHead
        title="Enrollment tokens"
        about="Each enrolls one host, once. The secret itself is not stored and cannot be shown again."
        actions={mayCreate && <Create />}
      />
      <div className="surface">
        <Toolbar>
          <Search list={list} label="Search tokens" />
          <Filter list={list} label="State of tokens" options={states} />
        </Toolbar>
        <ListView
          list={list}
          page={page}
          label="Enrollment tokens"
          columns={columns}
          rows={page.data?.tokens}
          rowKey={(t) => t.token_id}
          empty={
            <Empty icon={IconTicket} title={list.filtered ? 'No token matches' : 'No token yet'}>
              {list.filtered
                ? 'Change the search or remove the filters.'
                : mayCreate
                  ? 'Create one to enroll a host, or run enroll --request on the host and approve it under Approvals.'
                  : 'An operator creates one to enroll a host.'}
            </Empty>
          }
        />
      </div>
    </>
  )
}
