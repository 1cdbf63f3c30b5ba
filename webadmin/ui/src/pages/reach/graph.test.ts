import { describe, expect, it } from 'vitest'
import type { Grant } from '@/api/types'
import { graphOf, type Input, most, type Thing } from './graph'

const now = Date.parse('2030-01-01T12:00:00Z')
const grant = (subject: string, object: string, more: Partial<Grant> = {}): Grant => ({
  id: `${subject} ${object}`,
  subject,
  object,
  created_at: '2029-01-01T00:00:00Z',
  revision: 1,
  ...more,
})
const all = (things: Thing[]) => ({ things, complete: true })
const many = (n: number, prefix: string, labels?: Record<string, string>) =>
  Array.from({ length: n }, (_, i) => ({ id: `${prefix}-${String(i).padStart(3, '0')}`, labels }))

const draw = (grants: Grant[], more: Partial<Input> = {}) => {
  const g = graphOf({
    grants,
    tunnelers: all([{ id: 'ann', labels: { team: 'dev' } }, { id: 'bob', labels: { team: 'dev' } }, { id: 'eve' }]),
    resources: all([{ id: 'db', labels: { env: 'prod' } }, { id: 'wiki' }]),
    now,
    ...more,
  })
  return { ...g, text: g.lines.map((l) => `${l.from} -> ${l.to} ${l.hold}`).sort() }
}

describe('few things', () => {
  it('are drawn one by one, and labels by what has them', () => {
    const g = draw([grant('label/team=dev', 'resource/db'), grant('tunneler/bob', 'resource/wiki')])
    expect(g.left.map((n) => n.label)).toEqual(['ann', 'bob'])
    expect(g.right.map((n) => n.label)).toEqual(['db', 'wiki'])
    expect(g.text).toEqual(['ann -> db always', 'bob -> db always', 'bob -> wiki always'])
    expect(g.left[0]?.to).toBe('/tunnelers/ann')
  })

  it('have one line for all grants between them, which is as good as the best', () => {
    const hours = { windows: ['mon 08:00-09:00'], time_zone: 'UTC' }
    const ended = { until: '2029-12-31T00:00:00Z' }
    const g = draw([
      grant('tunneler/ann', 'resource/db', ended),
      grant('label/team=dev', 'resource/db', hours),
      grant('tunneler/bob', 'resource/db'),
    ])
    expect(g.text).toEqual(['ann -> db hours', 'bob -> db always'])
    expect(g.lines.map((l) => l.grants.length)).toEqual([2, 2])
    expect(draw([grant('tunneler/ann', 'resource/db', ended)]).text).toEqual(['ann -> db ended'])
  })

  it('that are not enrolled say so, if all that are enrolled are known', () => {
    const grants = [grant('tunneler/zoe', 'resource/db')]
    expect(draw(grants).left[0]?.about).toBe('not enrolled')
    expect(draw(grants, { tunnelers: { things: [], complete: false } }).left[0]?.about).toBe('')
  })

  it('are one alone if only that is asked for', () => {
    const g = draw([grant('label/team=dev', 'resource/db')], {
      tunnelers: { things: [{ id: 'bob', labels: { team: 'dev' } }], complete: false, only: 'bob' },
    })
    expect(g.text).toEqual(['bob -> db always'])
  })

  it('with a label that nothing has draw no line', () => {
    expect(draw([grant('label/team=ops', 'resource/db')]).text).toEqual([])
  })
})

describe('many things', () => {
  it('are drawn by label', () => {
    const g = draw([grant('label/team=dev', 'resource/db')], {
      tunnelers: all(many(most + 1, 'laptop', { team: 'dev' })),
    })
    expect(g.left).toEqual([
      {
        key: 'label/team=dev',
        label: 'team=dev',
        about: `${most + 1} tunnelers`,
        to: '/tunnelers?label=team%3Ddev',
        kind: 'label',
      },
    ])
    expect(g.text).toEqual(['label/team=dev -> db always'])
  })

  it('are drawn by label too if not all are known', () => {
    const g = draw([grant('label/team=dev', 'label/env=prod')], {
      tunnelers: { things: many(3, 'laptop', { team: 'dev' }), complete: false },
    })
    expect(g.left[0]?.about).toBe('all tunnelers with it')
    expect(g.text).toEqual(['label/team=dev -> db always'])
  })

  it('that grants name one by one are one node beyond some number, and no line is lost', () => {
    const tunnelers = many(40, 'laptop')
    const g = draw(
      [...tunnelers.map((t) => grant(`tunneler/${t.id}`, 'resource/db')), grant('label/team=dev', 'resource/wiki')],
      { tunnelers: all(tunnelers) },
    )
    expect(g.left).toHaveLength(most)
    expect(g.left[0]?.kind).toBe('label')
    expect(g.left.at(-1)).toMatchObject({ label: `${41 - (most - 1)} more`, kind: 'more' })
    expect(g.lines.reduce((n, l) => n + l.grants.length, 0)).toBe(41)
  })
})
