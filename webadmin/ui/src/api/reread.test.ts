import { QueryClient, QueryObserver } from '@tanstack/react-query'
import { describe, expect, it, vi } from 'vitest'
import { Rereader } from './reread'

/** A controller with one number, whose answers are on their way for as long as a test likes. */
class Far {
  number = 0
  readonly under: (() => void)[] = []

  read = () => {
    const seen = this.number // what an answer says is decided when the request arrives
    return new Promise<number>((answer) => this.under.push(() => answer(seen)))
  }

  /** Lets the oldest answer arrive. */
  async arrive() {
    this.under.shift()?.()
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }
}

function page(...key: string[]) {
  const far = new Far()
  const queries = new QueryClient()
  const rereader = new Rereader(queries)
  const shown = new QueryObserver(queries, { queryKey: key, queryFn: far.read })
  const leave = shown.subscribe(() => {})
  return { far, queries, rereader, leave, shows: () => shown.getCurrentResult().data }
}

describe('a change', () => {
  it('that comes while a query is read for the first time is not lost', async () => {
    const p = page('connectors', 'first page')
    p.far.number = 1
    p.rereader.add(['connectors'])
    await p.far.arrive()
    expect(p.shows()).toBe(0)
    await p.far.arrive()
    expect(p.shows()).toBe(1)
    expect(p.far.under).toHaveLength(0)
  })

  it('that comes while a query is read again does not cut that short', async () => {
    const p = page('connectors')
    await p.far.arrive()
    p.far.number = 1
    p.rereader.add(['connectors'])
    p.far.number = 2
    void p.rereader.everything()
    expect(p.far.under).toHaveLength(1)
    await p.far.arrive()
    expect(p.shows()).toBe(1)
    await p.far.arrive()
    expect(p.shows()).toBe(2)
  })

  it('that follows others is read together with them', async () => {
    vi.useFakeTimers()
    try {
      const p = page('connectors')
      await p.far.arrive()
      p.rereader.add(['connectors'])
      await p.far.arrive()
      for (let i = 0; i < 10; i++) p.rereader.add(['connectors'])
      expect(p.far.under).toHaveLength(0)
      p.far.number = 1
      vi.advanceTimersByTime(1_000)
      expect(p.far.under).toHaveLength(1)
      await p.far.arrive()
      expect(p.shows()).toBe(1)
      p.rereader.stop()
    } finally {
      vi.useRealTimers()
    }
  })

  it('of something else reads nothing', async () => {
    const p = page('connectors')
    await p.far.arrive()
    p.rereader.add(['tokens'])
    expect(p.far.under).toHaveLength(0)
  })

  it('while a query fails is read when it has failed', async () => {
    const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } })
    const rereader = new Rereader(queries)
    const answers: ((good: boolean) => void)[] = []
    const queryFn = () =>
      new Promise<string>((good, bad) => answers.push((g) => (g ? good('there') : bad(new Error('no')))))
    const shown = new QueryObserver(queries, { queryKey: ['keys'], queryFn })
    shown.subscribe(() => {})
    rereader.add(['keys'])
    const settled = async () => {
      for (let i = 0; i < 20; i++) await Promise.resolve()
    }
    answers.shift()?.(false)
    await settled()
    answers.shift()?.(true)
    await settled()
    expect(shown.getCurrentResult().data).toBe('there')
    expect(answers).toHaveLength(0)
  })
})

describe('reading everything', () => {
  it('is over when all that is shown is newer than the call', async () => {
    const p = page('connectors')
    let over = false
    p.far.number = 1
    void p.rereader.everything().then(() => (over = true))
    await p.far.arrive()
    expect([p.shows(), over]).toEqual([0, false])
    await p.far.arrive()
    expect([p.shows(), over]).toEqual([1, true])
  })

  it('does not wait for a query that is not there any more', async () => {
    const p = page('connectors')
    let over = false
    void p.rereader.everything().then(() => (over = true))
    p.leave()
    p.queries.removeQueries({ queryKey: ['connectors'] })
    await p.far.arrive()
    expect(over).toBe(true)
  })

  it('is over when nobody listens any more', async () => {
    const p = page('connectors')
    let over = false
    void p.rereader.everything().then(() => (over = true))
    p.rereader.stop()
    await p.far.arrive()
    expect(over).toBe(true)
  })
})
