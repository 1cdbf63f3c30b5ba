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

/** Opens a dialog by its button, without a mouse. It takes the focus after it is shown. */
export async function opened(v: Onlooker, button: string) {
  await v.button(button).press('Enter')
  await v.page.locator('[role=dialog]:focus-within').waitFor()
}

export const focused = (p: Page) =>
  p.evaluate(() => document.activeElement?.getAttribute('aria-label') || document.activeElement?.textContent || '')
/** Why nobody can see what has the focus; empty if they can. */
export const held = (p: Page) =>
  p.evaluate(() => {
    const e = document.activeElement
    if (!e || e === document.body) return 'nothing has the focus'
    const what = (e.getAttribute('aria-label') ?? e.textContent ?? e.tagName).slice(0, 60)
    // A hidden input, as that of a radio button, has its outline on its label.
    const shown = [e, e.nextElementSibling, e.parentElement].some((n) => {
      const s = n && getComputedStyle(n)
      return s && s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0
    })
    if (!shown) return `${what} shows no focus`
    const { top, bottom, left, right } = e.getBoundingClientRect()
    const inside = bottom > 0 && right > 0 && top < window.innerHeight && left < window.innerWidth
    return inside ? '' : `${what} is out of sight`
  })
export const inDialog = (p: Page) => p.evaluate(() => !!document.activeElement?.closest('[role=dialog]'))
export const query = (p: Page) => new URL(p.url()).searchParams
export const text = (p: Page) => p.locator('main').innerText()
