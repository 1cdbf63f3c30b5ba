import { expect, it } from 'vitest'
import { findPages } from './find'

const names = (text: string, ...may: string[]) => findPages(text, (p) => may.includes(p)).map((h) => h.name)

it('a page is found by a part of its name', () => {
  expect(names('conn', 'fleet:read')).toEqual(['Connectors'])
  expect(names('AUTH', 'fleet:read')).toEqual(['Certificate authority'])
})

it('a page that one may not see is not found', () => {
  expect(names('', 'audit:read')).toEqual(['Flows', 'Audit'])
  expect(names('people', 'fleet:read')).toEqual([])
})
