import { ActionIcon, Button, Group, SegmentedControl, Text, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconChevronLeft, IconChevronRight, IconChevronsLeft, IconMapOff, IconSearch, IconX } from '@tabler/icons-react'
import { type ReactNode, useState } from 'react'
import { useLocation, useSearchParams } from 'react-router'
import { faultsOf } from '@/api/words'
import { giveFocus } from '@/app/focus'
import { type Read, ReadFailure } from './Failure'
import { backward, forward, knowsWayBack, placeOf, type Trail, withFilter, withSelection } from './liststate'
import { Empty } from './Page'

export const pageSize = 50

// The router renders a new address with a low priority: on a busy machine that comes late,
// and a second change that began with what is rendered would undo the first one.
const now = () => new URLSearchParams(window.location.search)

/** The state of a list, kept in the address so that it can be shared and gone back to. */
export function useList(defaults: { sort?: string } = {}) {
  const [params, setParams] = useSearchParams()
  const trail: Trail = (useLocation().state as { trail?: Trail } | null)?.trail ?? []
  const get = (name: string) => params.get(name) ?? ''
  const sort = get('sort') || defaults.sort || ''
  const place = placeOf(params)
  const go = ([next, cursors]: [URLSearchParams, Trail], replace = false) =>
    setParams(next, { state: { trail: cursors }, replace })
  const set = (name: string, value: string) => setParams(withFilter(now(), name, value), { replace: true })
  // The token and the trail are of the page that is shown: a second click before the next
  // one is drawn does nothing.
  const isDrawn = () => now().toString() === params.toString()
  return {
    get,
    // Opening a record adds a history entry: Back closes it.
    open: (record?: { record: string; at: string }) => go([withSelection(now(), record), trail], !record),
    set,
    sort,
    query: {
      page_size: pageSize,
      page_token: place.after || undefined,
      sort: sort || undefined,
      status: get('status') || undefined,
      label: get('label').trim() || undefined,
      q: get('q').trim() || undefined,
    },
    filtered: !!(get('q') || get('status') || get('label')),
    page: place.page,
    // Cursors of another order or filter are not valid here.
    first: () => setParams(withFilter(now(), 'page', '')),
    back: () => isDrawn() && go(backward(params, trail)),
    backIsFirst: !knowsWayBack(params, trail),
    next: (token: string) => isDrawn() && go(forward(params, trail, token)),
  }
}

export type List = ReturnType<typeof useList>

/** A typed value of the address: applied after a pause, or at once when it is cleared. */
function useTyped(list: List, name: string) {
  const current = list.get(name)
  const [draft, setDraft] = useState<string | null>(null)
  // If the address was changed elsewhere, that is newer than the typed text.
  const [seen, setSeen] = useState(current)
  const [applied, setApplied] = useState(current)
  if (seen !== current) {
    setSeen(current)
    if (current !== applied) setDraft(null)
  }
  const set = (value: string) => {
    setApplied(value)
    list.set(name, value)
  }
  const later = useDebouncedCallback((typed: string) => {
    if (typed === draft) set(typed)
  }, 250)
  return {
    value: draft ?? current,
    type: (typed: string) => {
      setDraft(typed)
      later(typed)
    },
    clear: () => {
      later.cancel()
      setDraft(null)
      set('')
    },
  }
}

/** Two beside each other on a narrow screen. */
export const half = 'calc(50% - var(--mantine-spacing-sm) / 2)'

type TypedProps = { list: List; label: string; name: string; wide?: boolean }

/** A filter that is typed, for one property. */
export function Typed({ list, label, name, wide }: TypedProps) {
  const typed = useTyped(list, name)
  return (
    <TextInput
      aria-label={label}
      placeholder={label}
      w={{ base: wide ? '100%' : half, xs: wide ? 210 : 150 }}
      maxLength={128}
      data-filter
      value={typed.value}
      onChange={(e) => typed.type(e.currentTarget.value)}
    />
  )
}

/** The search field; "f" goes to it. */
export function Search({ list, label, name = 'q' }: { list: List; label: string; name?: string }) {
  const typed = useTyped(list, name)
  return (
    <TextInput
      data-search
      type="search"
      aria-label={label}
      placeholder={label}
      maxLength={128}
      value={typed.value}
      onChange={(e) => typed.type(e.currentTarget.value)}
      onKeyDown={(e) => {
        if (e.key !== 'Escape') return
        e.preventDefault() // the browser would clear it too, as if that were typed
        if (typed.value) typed.clear()
        else giveFocus(null)
      }}
      leftSection={<IconSearch size={15} />}
      rightSection={
        typed.value ? (
          <ActionIcon variant="subtle" color="gray" size="sm" aria-label="Clear search" onClick={typed.clear}>
            <IconX size={14} />
          </ActionIcon>
        ) : (
          <span aria-hidden="true">
            <kbd>f</kbd>
          </span>
        )
      }
      w={{ base: '100%', xs: 280 }}
    />
  )
}

type FilterProps = { list: List; label: string; options: { value: string; label: string }[]; name?: string }

/** A filter with few values. */
export function Filter({ list, label, options, name = 'status' }: FilterProps) {
  return (
    <SegmentedControl
      aria-label={label}
      size="xs"
      data={[{ value: '', label: 'All' }, ...options]}
      value={list.get(name)}
      onChange={(v) => list.set(name, v)}
    />
  )
}

export function Toolbar({ children }: { children: ReactNode }) {
  return (
    <Group p="sm" gap="sm" style={{ borderBottom: '1px solid var(--line)' }}>
      {children}
    </Group>
  )
}

/** loading: what is shown meanwhile is of another page, and so is its cursor. */
type PagerProps = { list: List; shown: number; total?: number; next?: string; loading: boolean }

/** Which part of a list is shown, and buttons to the other parts. */
export function Pager({ list, shown, total, next, loading }: PagerProps) {
  const beyond = list.page > 1
  if (!shown && !beyond && !next) return null
  const first = (list.page - 1) * pageSize + 1
  const waiting = loading && { 'aria-disabled': true, 'data-disabled': true } // disabled would lose the focus
  const range = shown ? `${first.toLocaleString()}–${(first + shown - 1).toLocaleString()}` : 'none'
  return (
    <Group justify="space-between" px="md" py={8} style={{ borderTop: '1px solid var(--line)' }}>
      <Text size="xs" c="dimmed" className="numbers" role="status">
        {loading ? 'Loading…' : total === undefined ? range : `${range} of ${total.toLocaleString()}`}
      </Text>
      <Group gap={4}>
        <ActionIcon
          variant="default"
          aria-label={list.backIsFirst ? 'First page' : 'Previous page'}
          disabled={!beyond}
          {...waiting}
          onClick={loading ? undefined : list.back}
        >
          {list.backIsFirst ? <IconChevronsLeft size={16} /> : <IconChevronLeft size={16} />}
        </ActionIcon>
        <ActionIcon
          variant="default"
          aria-label="Next page"
          disabled={!next}
          {...waiting}
          onClick={() => next && !loading && list.next(next)}
        >
          <IconChevronRight size={16} />
        </ActionIcon>
      </Group>
    </Group>
  )
}

type ListFailureProps = { list: List; page: Read }

/** Why a list is not shown. A page that is no longer there leads back to the first one. */
export function ListFailure({ list, page }: ListFailureProps) {
  const faults = faultsOf(page.error)
  if (faults.has('label')) {
    return (
      <Empty icon={IconMapOff} title="This is not a label">
        {faults.get('label')} Write key=value, such as env=prod.
      </Empty>
    )
  }
  if (!faults.has('page_token')) return <ReadFailure of={page} flush />
  return (
    <Empty
      icon={IconMapOff}
      title="This page of the list is not there any more"
      action={<Button onClick={list.first}>Go to the first page</Button>}
    >
      The address is of a list in another order, or of an older version of this controller.
    </Empty>
  )
}
