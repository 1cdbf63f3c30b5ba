import { Loader, Stack, Text, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconSearch } from '@tabler/icons-react'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { type KeyboardEvent, useId, useState, useSyncExternalStore } from 'react'
import { useNavigate } from 'react-router'
import { Dialog } from '@/ui/Dialog'
import { ReadFailure } from '@/ui/Failure'
import { findAll, findPages, type Hit } from './find'
import { useSession } from './session'

let shown = false
const listeners = new Set<() => void>()

function show(on: boolean) {
  shown = on
  for (const f of listeners) f()
}

export const openFind = () => show(true)

/** Search across everything: "/" opens it, on every page. */
export function FindDialog() {
  const opened = useSyncExternalStore(
    (f) => {
      listeners.add(f)
      return () => listeners.delete(f)
    },
    () => shown,
  )
  if (!opened) return null
  return (
    <Dialog title="Search everything" close={() => show(false)} size="lg" centered={false} yOffset="12vh">
      <Find close={() => show(false)} />
    </Dialog>
  )
}

function Find({ close }: { close: () => void }) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const [asked] = useDebouncedValue(text.trim(), 200)
  const permissions = useSession()?.permissions ?? []
  const navigate = useNavigate()
  const list = useId()
  const may = (p: string) => permissions.includes(p)
  const found = useQuery({
    queryKey: ['find', asked],
    enabled: asked !== '',
    placeholderData: keepPreviousData,
    queryFn: () => findAll(asked, may),
  })
  const hits = text.trim() ? [...findPages(text.trim(), may), ...(found.data ?? [])] : findPages('', may)
  const current = Math.min(at, hits.length - 1)
  const go = (hit?: Hit) => {
    if (!hit) return
    close()
    navigate(hit.to)
  }
  const onKeyDown = (e: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key]
    if (step && hits.length) {
      e.preventDefault()
      setAt((current + step + hits.length) % hits.length)
    } else if (e.key === 'Enter') go(hits[current])
  }
  const waiting = text.trim() !== '' && (found.isFetching || asked !== text.trim())
  return (
    <Stack gap="sm">
      <TextInput
        data-autofocus
        autoFocus // at once: what is typed right after "/" belongs here
        data-search
        role="combobox"
        aria-label="Search connectors, tunnelers, hosts, networks, resources, grants, tokens, people, keys and pages"
        aria-expanded
        aria-controls={list}
        aria-activedescendant={hits[current] && `${list}-${current}`}
        placeholder="Id, host name, address, version…"
        value={text}
        onChange={(e) => {
          setText(e.currentTarget.value)
          setAt(0)
        }}
        onKeyDown={onKeyDown}
        leftSection={<IconSearch size={16} aria-hidden="true" />}
        rightSection={waiting ? <Loader size={14} aria-hidden="true" /> : undefined}
        autoComplete="off"
        spellCheck={false}
      />
      <ReadFailure of={found} />
      <ul id={list} role="listbox" aria-label="Found" className="hits">
        {hits.map((hit, i) => (
          <li
            key={hit.key}
            id={`${list}-${i}`}
            role="option"
            aria-selected={i === current}
            ref={(el) => {
              if (i === current) el?.scrollIntoView({ block: 'nearest' })
            }}
            onMouseMove={() => setAt(i)}
            onClick={() => go(hit)}
          >
            <span className="kind">{hit.kind}</span>
            <span className="wrap">
              {hit.name}
              {hit.about && hit.about !== hit.name && <small className="wrap">{hit.about}</small>}
            </span>
          </li>
        ))}
      </ul>
      <Text size="xs" c="dimmed" role="status">
        {waiting ? 'Searching…' : hits.length ? `${hits.length} found. Arrows choose, Enter opens.` : 'Nothing found.'}
      </Text>
    </Stack>
  )
}
