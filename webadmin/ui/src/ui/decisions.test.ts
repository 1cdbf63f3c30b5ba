import { expect, it } from 'vitest'
import { caveatOf, sentenceOf } from './decisions'

it('a code is a sentence, and one of a later version is shown as it is', () => {
  expect(sentenceOf('not_granted')).toContain('no grant of the most specific one')
  expect(sentenceOf('on_the_moon')).toBe('The code of the decision is on_the_moon.')
})

it('a tunneler that is not enrolled is said to be so', () => {
  expect(caveatOf({ allowed: true, tunneler_enrolled: true })).toBe('')
  expect(caveatOf({ allowed: true, tunneler_enrolled: false })).toContain('nobody uses this now')
  expect(caveatOf({ allowed: false, tunneler_enrolled: false })).toBe('No tunneler with this id is enrolled.')
})
