import { describe, expect, it } from 'vitest'
import { Pulse, silence } from './pulse'

const start = 1_000_000

/** A page that began to listen at start. */
function listening() {
  const p = new Pulse()
  p.begin(start)
  return p
}

describe('the pulse of a page', () => {
  it('is connecting until something arrived, but not for ever', () => {
    const p = listening()
    expect(p.state(start)).toBe('connecting')
    expect(p.state(start + silence - 1)).toBe('connecting')
    expect(p.state(start + silence)).toBe('away')
  })

  it('is live for 20 s after a byte of the stream, and not a moment longer', () => {
    const p = listening()
    p.byte(start)
    expect(p.state(start + silence - 1)).toBe('live')
    expect(p.state(start + silence)).toBe('away')
    expect(p.asOf).toBe(start)
  })

  it('is not live because of an answer: the stream may be held back', () => {
    const p = listening()
    p.byte(start)
    p.answered(start + silence - 1)
    expect(p.state(start + silence)).not.toBe('live')
  })

  it('lets a change be sent for 5 s after anything arrived, though the stream has ended', () => {
    const p = listening()
    expect(p.arrivedLately(start)).toBe(false)
    p.answered(start) // a confirmation, which ends the stream
    p.lost(start + 1)
    expect(p.state(start + 2)).toBe('away')
    expect(p.arrivedLately(start + 4_999)).toBe(true)
    expect(p.arrivedLately(start + 5_000)).toBe(false)
  })

  it('is away as soon as the stream ends, and says until when something arrived', () => {
    const p = listening()
    p.byte(start)
    p.lost(start + 5_000)
    expect(p.state(start + 5_000)).toBe('away')
    expect(p.asOf).toBe(start)
  })

  it('is polling while requests are answered without a stream', () => {
    const p = listening()
    p.byte(start)
    p.lost(start + 1_000)
    p.answered(start + 2_000)
    p.caughtUp()
    expect(p.state(start + 2_000)).toBe('polling')
    expect(p.state(start + 2_000 + silence)).toBe('away')
  })

  it('is polling, and not away at each attempt, where no stream comes through', () => {
    const p = listening()
    p.answered(start)
    p.refused()
    expect(p.state(start + 1_000)).toBe('polling')
    p.answered(start + 10_000)
    p.refused()
    expect(p.state(start + 11_000)).toBe('polling')
    expect(p.state(start + 10_000 + silence)).toBe('away')
  })

  it('is away when a request gets no answer and there is no stream', () => {
    const p = listening()
    p.lost(start + 1_000)
    p.answered(start + 2_000)
    p.failed(start + 3_000)
    expect(p.state(start + 3_000)).toBe('away')
  })

  it('stays live when one request gets no answer but the stream continues', () => {
    const p = listening()
    p.byte(start)
    p.failed(start + 1_000)
    expect(p.state(start + 1_000)).toBe('live')
  })

  it('holds a request without an answer against no stream that went on', () => {
    const p = listening()
    p.byte(start)
    p.failed(start + 1_000)
    p.rested()
    expect(p.state(start + 2_000)).toBe('catching')
  })

  it('is not live while it reads again what it did not receive', () => {
    const p = listening()
    p.byte(start)
    p.fellBehind()
    expect(p.state(start)).toBe('catching')
    p.caughtUp()
    expect(p.state(start)).toBe('live')
  })

  it('reads again what it shows only when the controller answers', () => {
    const p = listening()
    p.byte(start)
    expect(p.mayCatchUp(start)).toBe(false)
    p.lost(start + 1_000)
    expect(p.mayCatchUp(start + 1_000)).toBe(false)
    p.answered(start + 2_000)
    expect(p.mayCatchUp(start + 2_000)).toBe(true)
    expect(p.mayCatchUp(start + 2_000 + silence)).toBe(false)
    p.caughtUp()
    expect(p.mayCatchUp(start + 2_000)).toBe(false)
  })

  it('is not live because of the stream of somebody who has signed out', () => {
    const p = listening()
    p.byte(start)
    p.end()
    p.begin(start + 1_000)
    expect(p.state(start + 1_000)).toBe('connecting')
  })

  it('is live again with the next byte', () => {
    const p = listening()
    p.byte(start)
    p.lost(start + 1_000)
    p.byte(start + 75_000)
    p.caughtUp()
    expect(p.state(start + 75_000)).toBe('live')
  })

  it('is old after a long rest, until the next byte', () => {
    const p = listening()
    p.byte(start)
    p.rested()
    expect(p.state(start + silence)).toBe('away')
    p.byte(start + silence)
    p.caughtUp()
    expect(p.state(start + silence)).toBe('live')
  })

  it('is not live before what it shows was read again, however much arrives', () => {
    for (const gone of [(p: Pulse) => p.lost(start + 1_000), (p: Pulse) => p.rested()]) {
      const p = listening()
      p.byte(start)
      gone(p)
      p.answered(start + 2_000)
      expect(p.state(start + 2_000)).toBe('catching')
      p.byte(start + 3_000)
      expect(p.state(start + 3_000)).toBe('catching')
      p.caughtUp()
      expect(p.state(start + 3_000)).toBe('live')
    }
  })

  it('calls nothing old on a page that listens to nothing', () => {
    const p = new Pulse()
    p.answered(start)
    p.failed(start + 1)
    expect(p.state(start + 10 * silence)).toBe('connecting')
    p.begin(start + 10 * silence)
    p.end()
    expect(p.state(start + 20 * silence)).toBe('connecting')
  })
})
