import { expect, it } from 'vitest'
import type { Series } from '@/api/types'
import { barsOf } from './bars'

const start = Date.parse('2030-01-02T15:00:00Z')

/** A series of points with one heartbeat each. */
const series = (points: number, step: number): Series => ({
  step_seconds: step,
  points: Array.from({ length: points }, (_, i) => ({
    at: new Date(start + (i + 1) * step * 1000).toISOString(),
    connectors_online: 1,
    connectors_total: 1,
    tunnelers_online: 1,
    tunnelers_total: 1,
    heartbeats: 1,
    svid_rotations: 0,
  })),
})

it('a bar of the last hour is as long as the page says', () => {
  const { bars, seconds } = barsOf(series(360, 10), 'heartbeats')
  expect(seconds).toBe(90)
  expect(bars).toHaveLength(40)
  expect(bars.every((b) => b.n === 9)).toBe(true)
  expect(bars[0]?.at).toBe('2030-01-02T15:00:00.000Z')
})

it('no bar is shorter than the others, and the newest point is in the last one', () => {
  for (let n = 1; n <= 360; n++) {
    const { bars, seconds } = barsOf(series(n, 10), 'heartbeats')
    expect(new Set(bars.map((b) => b.n * 10))).toEqual(new Set([seconds]))
    expect(Date.parse(bars.at(-1)?.at ?? '') + seconds * 1000).toBe(start + n * 10_000)
    expect(bars.length).toBeLessThanOrEqual(40)
  }
})

it('a series without points has no bars', () => {
  expect(barsOf(series(0, 10), 'heartbeats').bars).toEqual([])
})
