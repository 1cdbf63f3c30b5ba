import { IconRefresh } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { renewals } from '@/api/queries'
import type { SVIDRenewal } from '@/api/types'
import { useCan } from '@/app/session'
import { Target } from '@/ui/Events'
import type { Column } from '@/ui/Grid'
import { Toolbar, Typed, useList } from '@/ui/list'
import { ListView } from '@/ui/ListView'
import { NotAllowed } from '@/ui/NotAllowed'
import { Empty, PageHead } from '@/ui/Page'
import { At } from '@/ui/time'
import { Days } from './Days'
import { endOf, startOf } from './days'
import { Download } from './Download'

const columns: Column<SVIDRenewal>[] = [
  { id: 'at', header: 'Time', cell: ({ row }) => <At at={row.original.time} /> },
  { id: 'member', header: 'Member', head: true, cell: ({ row }) => <Target of={targetOf(row.original.member)} /> },
  { id: 'serial', header: 'Serial', cell: ({ row }) => <span className="mono wrap">{row.original.serial}</span> },
  {
    id: 'authority',
    header: 'Authority',
    cell: ({ row }) => <span className="mono wrap">{row.original.authority}</span>,
  },
  { id: 'until', header: 'Expires', cell: ({ row }) => <At at={row.original.not_after} wraps /> },
]

function targetOf(member: string) {
  const [target_kind = '', target_id = ''] = member.split('/', 2)
  return { target: member, target_kind, target_id }
}

const filters = ['member', 'serial', 'authority', 'since', 'until'] as const

/** Every SVID that a member proved to a controller: renewals are too many to be events of the log. */
export function Page() {
  if (useCan('audit:read')) return <Renewals />
  return (
    <>
      <PageHead title="SVID renewals" />
      <NotAllowed to="read the audit log" role="auditor" />
    </>
  )
}

function Renewals() {
  const list = useList()
  const get = (name: string) => list.get(name).trim() || undefined
  const query = {
    page_size: list.query.page_size,
    page_token: list.query.page_token,
    member: get('member'),
    serial: get('serial'),
    authority: get('authority'),
    since: startOf(list.get('since')),
    until: endOf(list.get('until')),
  }
  const page = useQuery(renewals(query))
  const filtered = filters.some((f) => list.get(f))
  return (
    <>
      <PageHead
        title="SVID renewals"
        about="Each SVID that a connector or tunneler proved to a controller, kept for 30 days. The audit log anchors them with a hash every hour."
        up={{ to: '/audit', label: 'Audit' }}
        actions={<Download path="/audit/renewals/export" query={query} />}
      />
      <div className="surface">
        <Toolbar>
          <Typed list={list} name="member" label="Member" wide />
          <Typed list={list} name="serial" label="Serial" />
          <Typed list={list} name="authority" label="Authority" />
          <Days list={list} />
        </Toolbar>
        <ListView
          list={list}
          page={page}
          label="SVID renewals"
          columns={columns}
          rows={page.data?.renewals}
          rowKey={(r) => String(r.seq)}
          empty={
            <Empty icon={IconRefresh} title={filtered ? 'No renewal matches' : 'No renewal yet'}>
              {page.data?.next_page_token
                ? 'None among these 50,000 renewals; the next page searches older ones.'
                : filtered
                  ? 'Filters match whole values; a * at the end matches every value with that beginning.'
                  : 'Renewals are written once a minute. The first one appears soon after a member connects.'}
            </Empty>
          }
        />
      </div>
    </>
  )
}
