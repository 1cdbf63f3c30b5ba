// What the tests of pages share: a browser with a world of its own behind each test.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, type ExpectStatic, test } from 'vitest'
import { Gallery, type Onlooker } from '../dev/browser'
import type { Scene } from '../dev/scenes'

let gallery: Gallery
beforeAll(async () => {
  gallery = await Gallery.open()
})
afterAll(() => gallery.close())

export type Look = Partial<Scene> & { path: string }

/** A test that looks at a world; the browser must not complain. */
export function look(name: string, scene: Look, act: (v: Onlooker, expect: ExpectStatic) => Promise<void>) {
  test.concurrent(name, async ({ expect }) => {
    const v = await gallery.visit(scene)
    try {
      await v.enter()
      await act(v, expect)
      expect(v.faults).toEqual([])
    } finally {
      await v.leave()
    }
  })
}

export const focused = (p: Page) =>
  p.evaluate(() => document.activeElement?.getAttribute('aria-label') || document.activeElement?.textContent || '')
export const inDialog = (p: Page) => p.evaluate(() => !!document.activeElement?.closest('[role=dialog]'))
export const query = (p: Page) => new URL(p.url()).searchParams
export const text = (p: Page) => p.locator('main').innerText()
