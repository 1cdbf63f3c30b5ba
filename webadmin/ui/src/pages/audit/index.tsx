import { Anchor, Button, Select, Text } from '@mantine/core'
import { IconCertificate, IconListCheck } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { audit } from '@/api/queries'
import type { AuditEvent } from '@/api/types'
import { eventTone, eventWord, Target } from '@/ui/Events'
import { Actor } from '@/ui/Actor'
import { Dialog } from '@/ui/Dialog'
import { ReadFailure } from '@/ui/Failure'
import type { Column } from '@/ui/Grid'
import { half, type List, Search, Toolbar, Typed, useList } from '@/ui/list'
import { ListView } from '@/ui/ListView'
import { Empty, Loading, PageHead } from '@/ui/Page'
import { State } from '@/ui/Status'
import { At } from '@/ui/time'
import { Days } from './Days'
import { endOf, startOf } from './days'
import { Download } from './Download'
import { Entry } from './Entry'
import { Verification } from './Verification'

const filters = ['actor', 'action', 'target', 'outcome', 'since', 'until'] as const

const outcomes = ['success', 'denied']

export function Page() {
  const list = useList()
  const get = (name: string) => list.get(name) || undefined
  const query = {
    page_size: list.query.page_size,
    page_token: list.query.page_token,
    q: list.query.q,
    actor: get('actor'),
    action: get('action'),
    target: get('target'),
    outcome: get('outcome'),
    since: startOf(list.get('since')),
    until: endOf(list.get('until')),
  }
  const page = useQuery(audit(query))
  const filtered = list.filtered || filters.some((f) => list.get(f))
  const columns: Column<AuditEvent>[] = [
    { id: 'at', header: 'Time', cell: ({ row }) => <At at={row.original.time} /> },
    {
      id: 'action',
      header: 'What',
      head: true,
      cell: ({ row: { original: e } }) => (
        <Anchor
          component="button"
          type="button"
          size="sm"
          ta="left"
          onClick={() => list.open({ record: keyOf(e), at: e.time })}
          aria-label={`Details of ${e.title}, ${e.target}`}
        >
          {e.title}
        </Anchor>
      ),
    },
    { id: 'target', header: 'Target', cell: ({ row }) => <Target of={row.original} /> },
    {
      id: 'outcome',
      header: 'Outcome',
      cell: ({ row: { original: e } }) => <State tone={eventTone(e)} label={eventWord(e)} />,
    },
    { id: 'actor', header: 'Actor', cell: ({ row }) => <Actor of={row.original.actor} /> },
    { id: 'source', header: 'From', cell: ({ row }) => <span className="mono">{row.original.source || '–'}</span> },
  ]
  return (
    <>
      <PageHead
        title="Audit"
        about="Every enrollment, refusal, revocation, sign-in and change, in a log that shows when it was tampered with."
        actions={
          <>
            <Button component={Link} to="/audit/renewals" variant="default" leftSection={<IconCertificate size={16} />}>
              SVID renewals
            </Button>
            <Download path="/audit/export" query={query} />
          </>
        }
      />
      <Verification />
      <div className="surface">
        <Toolbar>
          <Search list={list} label="Search audit log" />
          <Typed list={list} name="actor" label="Actor" />
          <Typed list={list} name="action" label="Action" />
          <Typed list={list} name="target" label="Target" />
          <Select
            aria-label="Outcome"
            placeholder="Outcome"
            clearable
            data={outcomes}
            w={{ base: half, xs: 140 }}
            value={list.get('outcome') || null}
            onChange={(v) => list.set('outcome', v ?? '')}
            clearButtonProps={{ 'aria-label': 'Clear outcome' }}
          />
          <Days list={list} />
        </Toolbar>
        <ListView
          list={list}
          page={page}
          label="Audit log"
          columns={columns}
          rows={page.data?.events}
          rowKey={(e) => String(e.index ?? e.time + e.action + e.target)}
          empty={
            <Empty icon={IconListCheck} title={filtered ? 'No event matches' : 'No event yet'}>
              {page.data?.next_page_token
                ? 'None among these 10,000 events; the next page searches older ones.'
                : filtered
                  ? 'Change the search or remove the filters.'
                  : 'The first change is recorded here.'}
            </Empty>
          }
        />
      </div>
      {list.get('record') && <Selected list={list} shown={page.data?.events} />}
    </>
  )
}

const about = (e: AuditEvent) => `${e.action} ${e.target}`

/** Identifies an event together with its time: its index in the log, or its action and target until it has one. */
const keyOf = (e: AuditEvent) => String(e.index ?? about(e))

/** The event that the address names. If the list no longer has it, it is requested by its time. */
function Selected({ list, shown }: { list: List; shown?: AuditEvent[] }) {
  const [key, at] = [list.get('record'), list.get('at')]
  const is = (e: AuditEvent) => e.time === at && (keyOf(e) === key || about(e) === key)
  const here = shown?.find(is)
  const time = Date.parse(at)
  const second = useQuery({
    ...audit({ since: at, until: new Date((time || 0) + 1000).toISOString(), page_size: 500 }),
    enabled: !!shown && !here && !Number.isNaN(time),
  })
  const event = here ?? second.data?.events.find(is)
  const lost = !event && !!shown && (second.isSuccess || Number.isNaN(time))
  return (
    <Dialog title={event?.title ?? 'Event'} close={() => list.open()} size="lg">
      {event && <Entry event={event} />}
      <ReadFailure of={second} />
      {lost && <Text size="sm">The audit log has no such event. The address may be of another controller.</Text>}
      {!event && !lost && !second.error && <Loading />}
    </Dialog>
  )
}
