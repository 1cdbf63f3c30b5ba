import { type QueryClient, useQueryClient } from '@tanstack/react-query'
import { useEffect, useSyncExternalStore } from 'react'
import { base } from './client'

/** connecting: not yet heard; live: changes arrive by themselves; polling: they are asked for. */
export type Liveness = 'connecting' | 'live' | 'polling'

// What has to be read again after an event of a kind.
const concerns: Record<string, string[]> = {
  connector: ['connectors', 'status', 'networks'],
  tunneler: ['tunnelers', 'connectors', 'status'],
  host: ['hosts', 'connectors', 'tunnelers'],
  token: ['tokens'],
  request: ['requests'],
  rotation: ['ca'],
  audit: ['audit'],
  person: ['people', 'sessions', 'session'],
  key: ['keys'],
}

const settle = 400 // ms: a herd of changes is one refetch
const pollEvery = 10_000
const firstRetry = 500
const lastRetry = 30_000

let liveness: Liveness = 'connecting'
const listeners = new Set<() => void>()

function setLiveness(l: Liveness) {
  if (l === liveness) return
  liveness = l
  for (const f of listeners) f()
}

export function useLiveness(): Liveness {
  return useSyncExternalStore(
    (f) => {
      listeners.add(f)
      return () => listeners.delete(f)
    },
    () => liveness,
  )
}

/** Gathers resources and invalidates them: the first at once, followers together. */
class Invalidator {
  private pending = new Set<string>()
  private timer = 0

  constructor(private queries: QueryClient) {}

  add(resources: string[]) {
    for (const r of resources) this.pending.add(r)
    if (this.timer) return
    this.flush()
    this.timer = window.setTimeout(() => {
      this.timer = 0
      if (this.pending.size) this.add([])
    }, settle)
  }

  everything() {
    this.pending.clear()
    this.queries.invalidateQueries({ predicate: (q) => q.queryKey[0] !== 'series' })
  }

  stop() {
    clearTimeout(this.timer)
  }

  private flush() {
    for (const r of this.pending) this.queries.invalidateQueries({ queryKey: [r] })
    this.pending.clear()
  }
}

/** The one event stream of the page. It reconnects for ever; meanwhile it polls. */
class Stream {
  private source?: EventSource
  private retry = 0
  private poll = 0
  private failures = 0

  constructor(private invalidator: Invalidator) {}

  open() {
    const source = new EventSource(`${base}/events`)
    this.source = source
    source.onopen = () => {
      // What happened between two streams was not heard.
      if (this.poll) this.invalidator.everything()
      this.failures = 0
      clearInterval(this.poll)
      this.poll = 0
      setLiveness('live')
    }
    source.onerror = () => this.lost()
    source.addEventListener('reset', () => this.invalidator.everything())
    for (const [event, resources] of Object.entries(concerns)) {
      source.addEventListener(event, () => this.invalidator.add(resources))
    }
  }

  close() {
    this.source?.close()
    clearTimeout(this.retry)
    clearInterval(this.poll)
    this.invalidator.stop()
    setLiveness('connecting')
  }

  private lost() {
    this.source?.close()
    setLiveness('polling')
    if (!this.poll) this.poll = window.setInterval(() => this.invalidator.everything(), pollEvery)
    const most = Math.min(lastRetry, firstRetry * 2 ** this.failures++)
    this.retry = window.setTimeout(() => this.open(), firstRetry / 2 + Math.random() * most)
  }
}

let current: Stream | null = null

/** Stops listening, for good: whoever signs out must not be told of it and ask again. */
export function hush() {
  current?.close()
}

/** Keeps all queries current while somebody is signed in. */
export function useEvents(enabled: boolean) {
  const queries = useQueryClient()
  useEffect(() => {
    if (!enabled) return
    const stream = new Stream(new Invalidator(queries))
    current = stream
    stream.open()
    return () => stream.close()
  }, [enabled, queries])
}
