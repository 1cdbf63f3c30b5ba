import type { Series } from '@/api/types'

const most = 40 // fewer bars than pixels

/** The counts of a series in bars, and how many seconds each bar is long. */
export function barsOf(s: Series, key: 'heartbeats' | 'svid_rotations') {
  const per = Math.max(1, Math.ceil(s.points.length / most))
  const bars: { at: string; n: number }[] = []
  // All bars are as long as each other, or the last one would look like a loss: the oldest points that fill none are left out.
  for (let i = s.points.length % per; i < s.points.length; i += per) {
    const group = s.points.slice(i, i + per)
    bars.push({ at: beginOf(group[0]?.at ?? '', s.step_seconds), n: group.reduce((n, p) => n + p[key], 0) })
  }
  return { bars, seconds: per * s.step_seconds }
}

/** A point has the time at which its step ended. */
const beginOf = (at: string, step: number) => new Date(Date.parse(at) - step * 1000).toISOString()
