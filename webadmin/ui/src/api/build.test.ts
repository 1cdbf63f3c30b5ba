import { expect, it } from 'vitest'
import { differ } from './build'

it('a page is of another build only if both are known', () => {
  const [a, b] = ['0123456789abcdef', 'fedcba9876543210']
  expect(differ(a, b)).toBe(true)
  expect(differ(a, a)).toBe(false)
  expect(differ(a, '')).toBe(false)
  expect(differ('__BUILD__', b)).toBe(false) // npm run dev
  expect(differ(a, 'x')).toBe(false)
})
