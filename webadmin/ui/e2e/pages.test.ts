// What every page promises in light and dark, in a wide and in a narrow window, also with
// ids of 63 characters.
import { describe } from 'vitest'
import { long } from '../dev/long'
import { pages } from '../dev/scenes'
import { look } from './look'

const phone = { width: 390, height: 844 }
const zoomed = { width: 640, height: 400 } // a window of 1280 by 800 at 200 %

describe('pages', () => {
  for (const scene of pages) {
    look(`${scene.name}: axe, a phone, 200 %`, long(scene), async (v, expect) => {
      await v.judge()
      await v.paint('light')
      await v.judge('colours')
      await v.page.setViewportSize(phone)
      await v.judge()
      await v.paint('dark')
      await v.judge('colours')
      await v.page.setViewportSize(zoomed)
      await expect.poll(v.over, { message: '200 %' }).toBe(0)
    })
  }

  look('what the pointer is on in a menu can be read', { path: '/people' }, async (v) => {
    await v.button('Actions for Grace Hopper').click()
    const items = v.page.getByRole('menuitem')
    await items.first().waitFor()
    for (const scheme of ['dark', 'light'] as const) {
      await v.paint(scheme)
      for (const item of await items.all()) {
        await item.hover()
        await v.judge('colours', item)
      }
    }
  })

  for (const path of ['/connectors', '/connectors/connector-fra-0001', '/account', '/requests']) {
    look(`${path}: what the pointer is on can be read`, { path, size: { members: 12 } }, async (v, expect) => {
      // One of each look: a row of a list is like the others.
      const all = v.page.locator(
        'a:visible:not(.skip), button:visible:not([disabled]), [role=radiogroup] label:visible',
      )
      const looks = await all.evaluateAll((list) => list.map((e) => `${e.className} ${e.getAttribute('style')}`))
      const one = looks.flatMap((l, i) => (looks.indexOf(l) === i ? [i] : []))
      expect(one.length).toBeGreaterThan(3)
      for (const scheme of ['dark', 'light'] as const) {
        await v.paint(scheme)
        for (const i of one) {
          await all.nth(i).hover()
          await v.judge('colours', all.nth(i))
        }
      }
    })
  }
})
