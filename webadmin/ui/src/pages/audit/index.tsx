import { Button, Group, Modal, Select, TextInput } from '@mantine/core'
import { IconDownload, IconListCheck } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { base } from '@/api/client'
import { audit } from '@/api/queries'
import type { AuditEvent } from '@/api/types'
import { outcomeTone, Target } from '@/ui/Events'
import { Actor } from '@/ui/Actor'
import { Failure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { Pager, Search, Toolbar, useList } from '@/ui/list'
import { Empty, PageHead } from '@/ui/Page'
import { State } from '@/ui/Status'
import { fullTime } from '@/ui/time'
import { Entry } from './Entry'
import { Verification } from './Verification'

const filters = ['actor', 'action', 'target', 'outcome', 'since', 'until'] as const

const outcomes = ['success', 'denied']

/** A day as its first moment, in the zone of whoever looks. */
const momentOf = (day: string) => (day ? new Date(`${day}T00:00:00`).toISOString() : undefined)

export function Page() {
  const list = useList()
  const [open, setOpen] = useState<AuditEvent | null>(null)
  const get = (name: string) => list.get(name) || undefined
  const query = {
    page_size: list.query.page_size,
    page_token: list.query.page_token,
    q: list.query.q,
    actor: get('actor'),
    action: get('action'),
    target: get('target'),
    outcome: get('outcome'),
    since: momentOf(list.get('since')),
    until: momentOf(list.get('until')),
  }
  const page = useQuery(audit(query))
  const filtered = list.filtered || filters.some((f) => list.get(f))
  const columns: Column<AuditEvent>[] = [
    { id: 'at', header: 'Time', cell: ({ row }) => <time className="numbers">{fullTime(row.original.time)}</time> },
    {
      id: 'action',
      header: 'Action',
      cell: ({ row: { original: e } }) => (
        <Button
          variant="transparent"
          size="compact-sm"
          p={0}
          onClick={() => setOpen(e)}
          aria-label={`Details of ${e.action} ${e.target}`}
        >
          {e.action}
        </Button>
      ),
    },
    { id: 'target', header: 'Target', cell: ({ row }) => <Target of={row.original.target} /> },
    {
      id: 'outcome',
      header: 'Outcome',
      cell: ({ row: { original: e } }) => <State tone={outcomeTone(e.outcome)} label={e.outcome} />,
    },
    { id: 'actor', header: 'Actor', cell: ({ row }) => <Actor of={row.original.actor} /> },
    { id: 'source', header: 'From', cell: ({ row }) => <span className="mono">{row.original.source || '–'}</span> },
  ]
  const text = (name: string, label: string) => (
    <TextInput
      key={name}
      aria-label={label}
      placeholder={label}
      w={{ base: '100%', xs: 150 }}
      value={list.get(name)}
      onChange={(e) => list.set(name, e.currentTarget.value)}
    />
  )
  return (
    <>
      <PageHead
        title="Audit"
        about="Every enrollment, refusal, revocation, sign-in and change, in a log that shows when it was tampered with."
        actions={
          <Button
            component="a"
            href={exportURL(query)}
            download
            variant="default"
            leftSection={<IconDownload size={16} />}
          >
            Download
          </Button>
        }
      />
      <Verification />
      <div className="surface">
        <Toolbar>
          <Search list={list} label="Search audit log" />
          {text('actor', 'Actor')}
          {text('action', 'Action')}
          {text('target', 'Target')}
          <Select
            aria-label="Outcome"
            placeholder="Outcome"
            clearable
            data={outcomes}
            w={{ base: '100%', xs: 140 }}
            value={list.get('outcome') || null}
            onChange={(v) => list.set('outcome', v ?? '')}
            clearButtonProps={{ 'aria-label': 'Clear outcome' }}
          />
          <Group gap={6} wrap="nowrap">
            <TextInput
              type="date"
              aria-label="Since"
              value={list.get('since')}
              onChange={(e) => list.set('since', e.currentTarget.value)}
            />
            <TextInput
              type="date"
              aria-label="Until"
              value={list.get('until')}
              onChange={(e) => list.set('until', e.currentTarget.value)}
            />
          </Group>
        </Toolbar>
        {page.error ? (
          <Failure error={page.error} retry={() => page.refetch()} />
        ) : (
          <Grid
            label="Audit log"
            columns={columns}
            rows={page.data?.events}
            rowKey={(e) => String(e.index ?? e.time + e.action + e.target)}
            empty={
              <Empty icon={IconListCheck} title={filtered ? 'No event matches' : 'No event yet'}>
                {filtered ? 'Change the search or remove the filters.' : 'The first change is recorded here.'}
              </Empty>
            }
          />
        )}
        <Pager
          list={list}
          shown={page.data?.events.length ?? 0}
          total={page.data?.total}
          next={page.data?.next_page_token}
        />
      </div>
      <Modal opened={!!open} onClose={() => setOpen(null)} title={open?.action} size="lg">
        {open && <Entry event={open} />}
      </Modal>
    </>
  )
}

function exportURL(query: Record<string, string | number | undefined>) {
  const params = new URLSearchParams()
  for (const [k, v] of Object.entries(query)) {
    if (v !== undefined && k !== 'page_size' && k !== 'page_token') params.set(k, String(v))
  }
  return `${base}/audit/export${params.size ? `?${params}` : ''}`
}
