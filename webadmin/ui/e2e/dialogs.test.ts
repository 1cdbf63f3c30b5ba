// What every dialog promises: keyboard, focus, axe, narrow windows.
import { describe } from 'vitest'
import { dialogs } from '../dev/scenes'
import { focused, inDialog, look } from './look'

describe('dialogs', () => {
  for (const scene of dialogs) {
    look(`${scene.name}: keyboard, axe, a phone, 200 %`, scene, async (v, expect) => {
      const { page } = v
      await expect.poll(() => inDialog(page), { message: 'the focus is in the dialog' }).toBe(true)
      const stops = await page.locator('[role=dialog] :is(button, input, textarea, [tabindex="0"]):visible').count()
      for (let i = 0; i < Math.min(stops + 2, 14); i++) {
        await page.keyboard.press('Tab')
        expect(await inDialog(page), `Tab ${i + 1} stays in the dialog`).toBe(true)
      }
      await v.judge()
      await page.emulateMedia({ colorScheme: 'light' })
      await page.locator('html[data-mantine-color-scheme=light]').waitFor()
      await v.judge()
      for (const viewport of [
        { width: 390, height: 844 },
        { width: 640, height: 400 },
      ]) {
        await page.setViewportSize(viewport)
        await expect.poll(v.over, { message: `${viewport.width} px` }).toBe(0)
      }
      await page.setViewportSize({ width: 1280, height: 800 })
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      if (scene.opener) await expect.poll(() => focused(page)).toBe(scene.opener)
    })
  }

  look(
    'Escape closes the uppermost dialog only',
    {
      path: '/keys',
      world: (w) => {
        w.steppedUp = 0
      },
    },
    async (v, expect) => {
      await v.button('Create key').press('Enter')
      await v.page.getByRole('textbox', { name: 'Name' }).fill('backup')
      await v.page.keyboard.press('Enter')
      const above = v.page.getByRole('dialog', { name: 'Confirm that it is you' })
      await above.waitFor()
      await v.page.keyboard.press('Escape')
      await above.waitFor({ state: 'detached' })
      expect(await v.page.getByRole('textbox', { name: 'Name' }).inputValue()).toBe('backup')
    },
  )
})
