import { useSyncExternalStore } from 'react'
import { serverNow } from '@/api/clock'

// One clock for everything on a page that counts: the controller's, whose times it is compared with.
let now = serverNow()
let timer = 0
const listeners = new Set<() => void>()

function subscribe(f: () => void) {
  listeners.add(f)
  if (!timer) {
    now = serverNow()
    timer = window.setInterval(() => {
      now = serverNow()
      for (const l of listeners) l()
    }, 1000)
  }
  return () => {
    listeners.delete(f)
    if (!listeners.size) {
      clearInterval(timer)
      timer = 0
    }
  }
}

/** The time in milliseconds, anew every second. */
export const useNow = () =>
  useSyncExternalStore(subscribe, () => {
    if (!timer) now = serverNow()
    return now
  })

const absolute = new Intl.DateTimeFormat(undefined, {
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
  timeZoneName: 'short',
})

/** A time in the browser's zone, with the zone's name. */
export const fullTime = (at: string) => absolute.format(new Date(at))

/** An absolute time with its zone, in one line unless it may wrap. */
export function At({ at, none = '–', wraps }: { at?: string; none?: string; wraps?: boolean }) {
  if (!at) return <span>{none}</span>
  return (
    <time dateTime={at} className={wraps ? 'numbers' : 'numbers whole'}>
      {fullTime(at)}
    </time>
  )
}

/** A duration in its two largest units: 3 d 4 h, 5 min 02 s. */
export function span(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000))
  const two = (n: number) => String(n).padStart(2, '0')
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`
}

/** How long ago, in one unit, so that the text does not change at every second. */
function rough(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000))
  if (s < 5) return 'now'
  if (s < 60) return `${s} s ago`
  if (s < 3600) return `${Math.floor(s / 60)} min ago`
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`
  return `${Math.floor(s / 86_400)} d ago`
}

/** A time that has passed. */
export function Ago({ at, none = 'never' }: { at?: string; none?: string }) {
  const t = useNow()
  if (!at) return <span>{none}</span>
  return (
    <time dateTime={at} title={fullTime(at)} className="numbers">
      {rough(t - Date.parse(at))}
    </time>
  )
}

/** How long something has lasted. */
export function Since({ at, none = 'no' }: { at?: string; none?: string }) {
  const t = useNow()
  if (!at) return <span>{none}</span>
  return (
    <time dateTime={at} title={`since ${fullTime(at)}`} className="numbers">
      {span(t - Date.parse(at))}
    </time>
  )
}

/** Counts down to a time; amber in the last part, red after it. */
export function Countdown({ to, warn = 60, over = 'expired' }: { to?: string; warn?: number; over?: string }) {
  const t = useNow()
  if (!to) return <span>not known</span>
  const left = Date.parse(to) - t
  const color = left <= 0 ? 'var(--bad)' : left < warn * 1000 ? 'var(--warn)' : undefined
  return (
    <time dateTime={to} title={fullTime(to)} className="numbers" style={{ color }}>
      {left <= 0 ? over : span(left)}
    </time>
  )
}

/** Whether a time has passed, kept current. */
export function usePassed(at?: string): boolean {
  const t = useNow()
  return !!at && Date.parse(at) <= t
}
