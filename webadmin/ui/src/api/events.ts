import { type QueryClient, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { base } from './client'
import { look, pulse } from './liveness'
import { silence } from './pulse'

// What has to be read again after an event of a kind.
const concerns: Record<string, string[]> = {
  connector: ['connectors', 'status', 'networks'],
  tunneler: ['tunnelers', 'connectors', 'status'],
  host: ['hosts', 'connectors', 'tunnelers', 'status'],
  token: ['tokens'],
  request: ['requests', 'status'],
  rotation: ['ca', 'status'],
  audit: ['audit'],
  person: ['people', 'sessions', 'session'],
  key: ['keys'],
}

const settle = 400 // ms: a herd of changes is one refetch
const pollEvery = 10_000
const firstRetry = 500
const lastRetry = 5_000
/** How long a page may be hidden before it gives its connection to others: a browser has six of them for all its tabs. */
const hiddenFor = 30_000

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

  /** Asks who is signed in: does the controller answer, and may we listen? */
  probe() {
    this.queries.invalidateQueries({ queryKey: ['session'] })
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
  private watch = 0
  private hide = 0
  private failures = 0
  private receivedAt = 0
  private missed = false // something may have happened that was not heard

  constructor(private invalidator: Invalidator) {}

  start() {
    pulse.begin(Date.now())
    document.addEventListener('visibilitychange', this.turn)
    window.addEventListener('online', this.again)
    this.watch = window.setInterval(() => this.listen(), 1000)
    this.open()
  }

  close() {
    document.removeEventListener('visibilitychange', this.turn)
    window.removeEventListener('online', this.again)
    clearInterval(this.watch)
    clearTimeout(this.hide)
    this.rest()
    this.invalidator.stop()
    pulse.end()
    look()
  }

  private open() {
    clearTimeout(this.retry)
    this.source?.close()
    const source = new EventSource(`${base}/events`)
    this.source = source
    this.receivedAt = Date.now()
    source.onerror = () => this.lost(source.readyState === EventSource.CLOSED)
    this.on('ping')
    this.on('reset', () => this.invalidator.everything())
    for (const [event, resources] of Object.entries(concerns)) this.on(event, () => this.invalidator.add(resources))
  }

  private on(event: string, then?: () => void) {
    this.source?.addEventListener(event, () => {
      this.received()
      then?.()
    })
  }

  // An open connection proves nothing, also a proxy accepts one: a byte does.
  private received() {
    this.receivedAt = Date.now()
    pulse.byte(this.receivedAt)
    this.failures = 0
    clearInterval(this.poll)
    this.poll = 0
    if (this.missed) this.invalidator.everything()
    this.missed = false
    look()
  }

  /** Gives up a stream from which nothing comes. */
  private listen() {
    if (this.source && Date.now() - this.receivedAt >= silence) this.lost(true)
  }

  private lost(ask: boolean) {
    this.source?.close()
    this.source = undefined
    this.missed = true
    pulse.lost(Date.now())
    look()
    if (ask) this.invalidator.probe()
    this.poll ||= window.setInterval(() => this.invalidator.everything(), pollEvery)
    const most = Math.min(lastRetry, firstRetry * 2 ** this.failures++)
    clearTimeout(this.retry)
    this.retry = window.setTimeout(() => this.open(), firstRetry / 2 + Math.random() * most)
  }

  /** A hidden page needs no stream; one that is seen again needs it at once. */
  private turn = () => {
    clearTimeout(this.hide)
    if (document.visibilityState === 'hidden') this.hide = window.setTimeout(() => this.rest(), hiddenFor)
    else this.again()
  }

  private again = () => {
    if (!this.source) this.open()
  }

  private rest() {
    this.source?.close()
    this.source = undefined
    this.missed = true
    clearTimeout(this.retry)
    clearInterval(this.poll)
    this.poll = 0
    pulse.rested()
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
    stream.start()
    return () => stream.close()
  }, [enabled, queries])
}
