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
      await v.judge()
      await v.page.setViewportSize(phone)
      await v.judge()
      await v.paint('dark')
      await v.judge()
      await v.page.setViewportSize(zoomed)
      await expect.poll(v.over, { message: '200 %' }).toBe(0)
    })
  }
})
