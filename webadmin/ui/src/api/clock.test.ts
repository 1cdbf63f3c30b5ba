import { describe, expect, it } from 'vitest'
import { Elapsed, error } from './clock'

const day = 86_400_000

describe('what has elapsed', () => {
  const clocks = () => {
    const c = { wall: 5 * day, steady: 100 }
    return {
      c,
      elapsed: new Elapsed(
        () => c.wall,
        () => c.steady,
      ),
    }
  }

  it('is not undone by a wall clock that is set back', () => {
    const { c, elapsed } = clocks()
    c.wall += 1000
    c.steady += 1000
    expect(elapsed.now()).toBe(1001)
    c.wall -= day
    c.steady += 30_000
    expect(elapsed.now()).toBe(31_001)
  })

  it('includes the sleep of the machine', () => {
    const { c, elapsed } = clocks()
    c.wall += 3_600_000
    c.steady += 10
    expect(elapsed.now()).toBe(3_600_001)
    c.wall += 10
    c.steady += 11
    expect(elapsed.now()).toBe(3_600_012)
  })

  it('never shrinks', () => {
    const { c, elapsed } = clocks()
    c.wall -= day
    expect(elapsed.now()).toBe(1)
  })
})

describe('a clock of this machine', () => {
  it('is wrong by what is more than a few seconds', () => {
    expect(error(day, 0)).toBe(day)
    expect(error(-day, 0)).toBe(-day)
    expect(error(4_000, 0)).toBe(0)
    expect(error(Number.NaN, 0)).toBe(0)
  })
})
