import type { Query, QueryClient } from '@tanstack/react-query'

const settle = 400 // ms: a herd of changes is one more read

type Which = (query: Query) => boolean

/**
 * Reads again what a change made old: the first time at once, what follows together.
 *
 * A query that is being read just now is read once more after that, because its answer may
 * be older than the change. Nothing is cut short: on a slow network with many changes no
 * answer would ever come.
 */
export class Rereader {
  private readonly pending = new Set<string>()
  /** Who waits for the second read of a query, by its hash. */
  private readonly late = new Map<string, (() => void)[]>()
  private readonly forget: () => void
  private timer?: ReturnType<typeof setTimeout>

  constructor(private readonly queries: QueryClient) {
    this.forget = queries.getQueryCache().subscribe(({ type, query }) => {
      if (type === 'removed' || query.state.fetchStatus === 'idle') this.ended(query)
    })
  }

  /** Reads all queries of some resources. */
  add(resources: string[]) {
    for (const r of resources) this.pending.add(r)
    if (this.timer) return
    const now = new Set(this.pending)
    this.pending.clear()
    void this.read((q) => now.has(String(q.queryKey[0])))
    this.timer = setTimeout(() => {
      this.timer = undefined
      if (this.pending.size) this.add([])
    }, settle)
  }

  /** Reads everything; resolves when all that is shown is newer than the call. */
  everything(): Promise<void> {
    this.pending.clear()
    return this.read(() => true)
  }

  /** Asks who is signed in: does the controller answer, and may we listen? */
  probe(): Promise<void> {
    return this.read((q) => q.queryKey[0] === 'session')
  }

  stop() {
    clearTimeout(this.timer)
    this.forget()
    for (const done of [...this.late.values()].flat()) done()
    this.late.clear()
  }

  private async read(which: Which) {
    const twice = this.queries
      .getQueryCache()
      .findAll({ predicate: which })
      .filter((q) => q.state.fetchStatus !== 'idle')
      .map(
        (q) => new Promise<void>((done) => this.late.set(q.queryHash, [...(this.late.get(q.queryHash) ?? []), done])),
      )
    await Promise.all([this.queries.invalidateQueries({ predicate: which }, { cancelRefetch: false }), ...twice])
  }

  private ended(query: Query) {
    const waiting = this.late.get(query.queryHash)
    if (!waiting) return
    this.late.delete(query.queryHash)
    void this.read((q) => q === query).then(() => waiting.forEach((done) => done()))
  }
}
