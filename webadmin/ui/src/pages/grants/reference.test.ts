import { expect, it } from 'vitest'
import { hasEnded, hoursOf, pathOf, referenceOf, referencesTo } from './reference'

it('a reference is one thing or a label, and leads to its page', () => {
  expect(referenceOf('tunneler/t-01')).toEqual({ kind: 'tunneler', value: 't-01' })
  expect(pathOf(referenceOf('resource/db'), '/resources')).toBe('/resources/db')
  // A key may have a slash in it.
  expect(referenceOf('label/app.io/tier=web')).toEqual({ kind: 'label', value: 'app.io/tier=web' })
  expect(pathOf(referenceOf('label/app.io/tier=web'), '/tunnelers')).toBe('/tunnelers?label=app.io%2Ftier%3Dweb')
})

it('a thing is referred to by its id and by each label', () => {
  expect(referencesTo('resource', 'db', { team: 'x', env: 'prod' })).toEqual([
    'resource/db',
    'label/env=prod',
    'label/team=x',
  ])
})

it('a grant ends at its instant', () => {
  const until = '2030-01-01T00:00:00Z'
  expect(hasEnded({ until }, Date.parse(until) - 1)).toBe(false)
  expect(hasEnded({ until }, Date.parse(until))).toBe(true)
  expect(hasEnded({}, Date.now())).toBe(false)
})

it('hours are said with their zone', () => {
  expect(hoursOf({})).toBe('')
  expect(hoursOf({ windows: ['mon-fri 08:00-18:00', 'sat 10:00-12:00'], time_zone: 'Europe/Berlin' })).toBe(
    'mon-fri 08:00-18:00; sat 10:00-12:00 in Europe/Berlin',
  )
})
