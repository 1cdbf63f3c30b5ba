import { ActionIcon, Group, SegmentedControl, Text, TextInput } from '@mantine/core'
import { useDebouncedCallback } from '@mantine/hooks'
import { IconChevronLeft, IconChevronRight, IconSearch, IconX } from '@tabler/icons-react'
import { type ReactNode, useState } from 'react'
import { useSearchParams } from 'react-router'

export const pageSize = 50

/** What a list shows, kept in the address so that it can be shared and gone back to. */
export function useList(defaults: { sort?: string } = {}) {
  const [params, setParams] = useSearchParams()
  // The cursors of the pages before this one: the API only leads forward.
  const [trail, setTrail] = useState<string[]>([])
  const get = (name: string) => params.get(name) ?? ''
  const sort = get('sort') || defaults.sort || ''
  const set = (name: string, value: string) => {
    setTrail([])
    setParams(
      (old) => {
        const next = new URLSearchParams(old)
        if (value) next.set(name, value)
        else next.delete(name)
        return next
      },
      { replace: true },
    )
  }
  const query = {
    page_size: pageSize,
    page_token: trail.at(-1) || undefined,
    sort: sort || undefined,
    status: get('status') || undefined,
    q: get('q').trim() || undefined,
  }
  return {
    get,
    set,
    sort,
    query,
    filtered: !!(get('q') || get('status')),
    page: trail.length,
    back: () => setTrail((t) => t.slice(0, -1)),
    next: (token: string) => setTrail((t) => [...t, token]),
  }
}

export type List = ReturnType<typeof useList>

/** The search field; "/" goes to it. */
export function Search({ list, label, name = 'q' }: { list: List; label: string; name?: string }) {
  const current = list.get(name)
  const [draft, setDraft] = useState<string | null>(null)
  const value = draft ?? current
  const apply = useDebouncedCallback((v: string) => {
    list.set(name, v)
    setDraft(null)
  }, 250)
  return (
    <TextInput
      data-search
      type="search"
      aria-label={label}
      placeholder={label}
      value={value}
      onChange={(e) => {
        setDraft(e.currentTarget.value)
        apply(e.currentTarget.value)
      }}
      onKeyDown={(e) => e.key === 'Escape' && e.currentTarget.blur()}
      leftSection={<IconSearch size={15} />}
      rightSection={
        value ? (
          <ActionIcon
            variant="subtle"
            color="gray"
            size="sm"
            aria-label="Clear search"
            onClick={() => list.set(name, '')}
          >
            <IconX size={14} />
          </ActionIcon>
        ) : (
          <span aria-hidden="true">
            <kbd>/</kbd>
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

type PagerProps = { list: List; shown: number; total?: number; next?: string }

/** Which part of a list is shown, and the way to the others. */
export function Pager({ list, shown, total, next }: PagerProps) {
  if (!shown && !list.page) return null
  const first = list.page * pageSize + 1
  const range = `${first.toLocaleString()}–${(first + shown - 1).toLocaleString()}`
  return (
    <Group justify="space-between" px="md" py={8} style={{ borderTop: '1px solid var(--line)' }}>
      <Text size="xs" c="dimmed" className="numbers" role="status">
        {total === undefined ? range : `${range} of ${total.toLocaleString()}`}
      </Text>
      <Group gap={4}>
        <ActionIcon variant="default" aria-label="Previous page" disabled={!list.page} onClick={list.back}>
          <IconChevronLeft size={16} />
        </ActionIcon>
        <ActionIcon variant="default" aria-label="Next page" disabled={!next} onClick={() => next && list.next(next)}>
          <IconChevronRight size={16} />
        </ActionIcon>
      </Group>
    </Group>
  )
}
