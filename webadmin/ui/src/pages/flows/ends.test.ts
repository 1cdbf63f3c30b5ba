import { expect, it } from 'vitest'
import { endOf, toneOf } from './ends'

it('an end is in words, and one of a later version is shown as it is', () => {
  expect(endOf('revoked')).toBe('access was withdrawn')
  expect(endOf('on_the_moon')).toBe('on_the_moon')
})

it('a refusal is red, a target that fails amber, and a flow that was cut quiet', () => {
  expect(toneOf({ code: 'ok', connected: true })).toBe('good')
  expect(toneOf({ code: 'refused', connected: false })).toBe('bad')
  expect(toneOf({ code: 'timeout', connected: false })).toBe('warn')
  expect(toneOf({ code: 'stopping', connected: true })).toBe('quiet')
})
