import { expect, it } from 'vitest'
import { headOf, insteadOf, mustOf, whoOf } from './policytests'

it('a broken test says who must reach what, and what would be decided instead', () => {
  expect(whoOf('tunneler/ada')).toEqual({ about: 'Tunneler', name: 'ada' })
  expect(whoOf('label/team=a/b')).toEqual({ about: 'A tunneler with only the label', name: 'team=a/b' })
  expect(mustOf({ expect: 'refuse' })).toBe('must not reach')
  expect(insteadOf({ decision: { allowed: true, code: 'granted', grant_id: 'dev-all', resource_id: 'corp' } })).toBe(
    'and would by the grant dev-all of the resource corp.',
  )
})

it('a refusal says why, and what is nearest to allow it', () => {
  expect(insteadOf({ decision: { allowed: false, code: 'no_resource' } })).toBe(
    'and would be refused. No resource covers this host and port, so nobody reaches it.',
  )
  expect(insteadOf({ decision: { allowed: false, code: 'grant_ended', grant_id: 'ada-db', resource_id: 'db' } })).toBe(
    'and would be refused (resource db, grant ada-db). A grant was for this tunneler, and has ended.',
  )
})

it('more tests than are named are not counted', () => {
  expect(headOf([1])).toBe('A policy test would not hold')
  expect(headOf([1, 2])).toBe('2 policy tests would not hold')
  expect(headOf(Array.from({ length: 20 }))).toBe('20 or more policy tests would not hold')
})
