import { describe, expect, it } from 'vitest'
import { hasReloaded, mayReload, settled } from './reload'

class Memory {
  private items = new Map<string, string>()
  getItem = (k: string) => this.items.get(k) ?? null
  setItem = (k: string, v: string) => void this.items.set(k, v)
  removeItem = (k: string) => void this.items.delete(k)
}

describe('a page that reloads itself', () => {
  it('does it once for a reason', () => {
    const memory = new Memory()
    expect(hasReloaded('build:b', memory)).toBe(false)
    expect(mayReload('build:b', memory)).toBe(true)
    expect(hasReloaded('build:b', memory)).toBe(true)
    expect(mayReload('build:b', memory)).toBe(false)
    expect(mayReload('build:b', memory)).toBe(false)
  })

  it('does it for another reason', () => {
    const memory = new Memory()
    expect(mayReload('build:b', memory)).toBe(true)
    expect(mayReload('build:c', memory)).toBe(true)
  })

  it('does it again after the reason was gone', () => {
    const memory = new Memory()
    expect(mayReload('code:hosts', memory)).toBe(true)
    settled('code:hosts', memory)
    expect(mayReload('code:hosts', memory)).toBe(true)
  })

  it('does not do it where nothing can be remembered', () => {
    const broken = () => {
      throw new Error('denied')
    }
    expect(mayReload('build:b', { getItem: broken, setItem: broken, removeItem: broken })).toBe(false)
    expect(mayReload('build:b', { getItem: () => null, setItem: () => {}, removeItem: () => {} })).toBe(false)
    expect(() => settled('build:b', { getItem: broken, setItem: broken, removeItem: broken })).not.toThrow()
  })
})
