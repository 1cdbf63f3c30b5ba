import { Group, Stack, Text } from '@mantine/core'
import { useHotkeys } from '@mantine/hooks'
import { useSyncExternalStore } from 'react'
import { useNavigate } from 'react-router'
import { Dialog } from '@/ui/Dialog'
import { openFind } from './Find'

const places: [key: string, to: string, label: string][] = [
  ['o', '/', 'Overview'],
  ['c', '/connectors', 'Connectors'],
  ['t', '/tunnelers', 'Tunnelers'],
  ['h', '/hosts', 'Hosts'],
  ['e', '/resources', 'Resources'],
  ['n', '/grants', 'Grants'],
  ['w', '/reach', 'Who reaches what'],
  ['x', '/explain', 'Explain'],
  ['p', '/policy-tests', 'Policy tests'],
  ['a', '/requests', 'Approvals'],
  ['k', '/tokens', 'Tokens'],
  ['r', '/ca', 'Certificate authority'],
  ['l', '/audit', 'Audit'],
]

let shown = false
const listeners = new Set<() => void>()

function show(on: boolean) {
  shown = on
  for (const f of listeners) f()
}

export const openShortcuts = () => show(true)

/** Shortcuts of the whole dashboard: "/" to search everything, "f" for the list's own search, "g" and a letter to go somewhere, "?" for the list. */
export function useShortcuts() {
  const navigate = useNavigate()
  const keys: [key: string, act: () => void][] = [
    ['/', openFind],
    ['f', () => document.querySelector<HTMLInputElement>('[data-search]')?.focus()],
    ['?', openShortcuts],
    ['shift+?', openShortcuts],
    ['g', () => awaitPlace((to) => navigate(to))],
  ]
  useHotkeys(
    keys.map(([key, act]) => [key, unlessTyped(act), { preventDefault: false }]),
    [],
  )
}

/** Does it unless the key is typed into a field; a radio button or checkbox is none. */
const unlessTyped = (act: () => void) => (e: KeyboardEvent) => {
  const field = 'input:not([type=radio], [type=checkbox]), textarea, select'
  if (e.target instanceof Element && e.target.matches(field)) return
  e.preventDefault()
  act()
}

function awaitPlace(go: (to: string) => void) {
  const listen = (e: KeyboardEvent) => {
    stop()
    const place = places.find(([key]) => key === e.key)
    if (!place) return
    e.preventDefault()
    go(place[1])
  }
  const stop = () => {
    clearTimeout(timer)
    window.removeEventListener('keydown', listen, true)
  }
  const timer = setTimeout(stop, 1500)
  window.addEventListener('keydown', listen, true)
}

export function ShortcutsDialog() {
  const opened = useSyncExternalStore(
    (f) => {
      listeners.add(f)
      return () => listeners.delete(f)
    },
    () => shown,
  )
  if (!opened) return null
  return (
    <Dialog title="Keyboard shortcuts" close={() => show(false)} size="sm">
      <Stack gap={8}>
        <Row keys={['/']} label="Search everything" />
        <Row keys={['f']} label="Search in the list of this page" />
        {places.map(([key, , label]) => (
          <Row key={key} keys={['g', key]} label={label} />
        ))}
        <Row keys={['?']} label="Show these shortcuts" />
      </Stack>
    </Dialog>
  )
}

function Row({ keys, label }: { keys: string[]; label: string }) {
  return (
    <Group justify="space-between">
      <Text size="sm">{label}</Text>
      <Group gap={4}>
        {keys.map((k) => (
          <kbd key={k}>{k}</kbd>
        ))}
      </Group>
    </Group>
  )
}
