import { type QueryClient, useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import { base } from './client'
import { elapsed, look, pulse } from './liveness'
import { silence } from './pulse'
import { Rereader } from './reread'
import type { SessionInfo } from './types'

// What has to be read again after an event of a kind.
const concerns: Record<string, string[]> = {
  connector: ['connectors', 'status', 'networks'],
  tunneler: ['tunnelers', 'connectors', 'status', 'explain', 'policy-tests'],
  host: ['hosts', 'connectors', 'tunnelers', 'status'],
  network: ['networks', 'connectors', 'explain', 'policy-tests'],
  resource: ['resources', 'explain', 'policy-tests'],
  grant: ['grants', 'explain', 'policy-tests'],
  'policy-test': ['policy-tests'],
  token: ['tokens'],
  request: ['requests', 'status'],
  rotation: ['ca', 'status'],
  audit: ['audit'],
  person: ['people', 'sessions', 'session'],
  key: ['keys'],
}

const pollEvery = 10_000
const firstRetry = 500
const lastRetry = 5_000
/** How long a page may be hidden before it gives its connection to others: a browser has six of them for all its tabs. */
const hiddenFor = 30_000

/** The one event stream of the page. It reconnects for ever; meanwhile it polls. */
class Stream {
  private source?: EventSource
  private retry = 0
  private poll = 0
  private watch = 0
  private hide = 0
  private failures = 0
  private receivedAt = 0
  private gotByte = false // something, of this source
  private losses = 0

  /**
   * All that is shown was read after the position after, or missed says that something
   * may have happened that was not received.
   */
  constructor(
    private rereader: Rereader,
    private after: string,
    private missed = after === '',
  ) {}

  start() {
    pulse.begin(elapsed.now())
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
    this.rereader.stop()
    pulse.end()
    look()
  }

  private open() {
    clearTimeout(this.retry)
    this.source?.close()
    const from = this.missed ? '' : `?after=${encodeURIComponent(this.after)}`
    const source = new EventSource(`${base}/events${from}`)
    this.source = source
    this.receivedAt = elapsed.now()
    this.gotByte = false
    source.onerror = () => this.lost(source.readyState === EventSource.CLOSED)
    this.on('ping')
    this.on('reset', () => this.miss())
    for (const [event, resources] of Object.entries(concerns)) this.on(event, () => this.rereader.add(resources))
  }

  private on(event: string, then?: () => void) {
    this.source?.addEventListener(event, () => this.received() && then?.())
  }

  // An open connection proves nothing, also a proxy accepts one: a byte does. But not one
  // that comes after a silence: it was on its way while the machine slept, or was held back.
  private received(): boolean {
    if (this.silent()) {
      this.lost(true)
      return false
    }
    this.receivedAt = elapsed.now()
    pulse.byte(this.receivedAt)
    this.gotByte = true
    this.failures = 0
    clearInterval(this.poll)
    this.poll = 0
    if (this.missed) this.miss()
    this.missed = false
    look()
    return true
  }

  private silent = () => elapsed.now() - this.receivedAt >= silence

  /** Gives up a stream from which nothing comes. */
  private listen() {
    if (this.source && this.silent()) this.lost(true)
  }

  private lost(ask: boolean) {
    this.source?.close()
    this.source = undefined
    this.missed = true
    this.losses++
    // A failed attempt is no news while the controller answers requests.
    if (this.gotByte || !ask) pulse.lost(elapsed.now())
    else pulse.refused()
    look()
    if (ask) void this.rereader.probe().then(() => pulse.mayCatchUp(elapsed.now()) && this.catchUp())
    this.poll ||= window.setInterval(() => this.catchUp(), pollEvery)
    const most = Math.min(lastRetry, firstRetry * 2 ** this.failures++)
    clearTimeout(this.retry)
    this.retry = window.setTimeout(() => this.open(), firstRetry / 2 + Math.random() * most)
  }

  private miss() {
    this.losses++
    pulse.fellBehind()
    this.catchUp()
  }

  /** Reads everything again; until that is done the page shows what it showed before. */
  private catchUp() {
    const losses = this.losses
    void this.rereader.everything().then(() => {
      if (losses !== this.losses || !pulse.answers(elapsed.now())) return
      pulse.caughtUp()
      look()
    })
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
    this.losses++
    clearTimeout(this.retry)
    clearInterval(this.poll)
    this.poll = 0
    pulse.rested()
  }
}

let current: Stream | null = null

/** Stops listening, for good: after a sign-out its event would make the page ask again. */
export function hush() {
  current?.close()
}

let begun = false

/**
 * Where the first stream of the page begins: at the position that the session was read at,
 * because nothing else is read before. A later stream does not know how old the answers are
 * that are kept, so it begins with reading them again.
 */
function beginning(queries: QueryClient): string {
  const first = !begun
  begun = true
  return (first && queries.getQueryData<SessionInfo>(['session'])?.events_after) || ''
}

/** Keeps all queries current while somebody is signed in. */
export function useEvents(enabled: boolean) {
  const queries = useQueryClient()
  useEffect(() => {
    if (!enabled) return
    const stream = new Stream(new Rereader(queries), beginning(queries))
    current = stream
    stream.start()
    return () => stream.close()
  }, [enabled, queries])
}
