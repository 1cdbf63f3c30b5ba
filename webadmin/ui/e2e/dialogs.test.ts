// What every dialog promises: keyboard, focus, axe, narrow windows.
import { describe } from 'vitest'
import { long, longer } from '../dev/long'
import { dialogs } from '../dev/scenes'
import { focused, held, inDialog, look, opened } from './look'

describe('dialogs', () => {
  for (const scene of dialogs) {
    look(`${scene.name}: keyboard, axe, a phone, 200 %`, long(scene), async (v, expect) => {
      const { page } = v
      await expect.poll(() => inDialog(page), { message: 'the focus is in the dialog' }).toBe(true)
      const stops = await page.locator('[role=dialog] :is(button, input, textarea, [tabindex="0"]):visible').count()
      for (let i = 0; i < Math.min(stops + 2, 14); i++) {
        await page.keyboard.press('Tab')
        expect(await inDialog(page), `Tab ${i + 1} stays in the dialog`).toBe(true)
      }
      await v.judge()
      await v.paint('light')
      await v.judge('colours')
      await page.setViewportSize({ width: 390, height: 844 })
      await v.judge()
      await v.paint('dark')
      await v.judge('colours')
      await page.setViewportSize({ width: 640, height: 400 })
      await expect.poll(v.over, { message: '200 %' }).toBe(0)
      await page.setViewportSize({ width: 1280, height: 800 })
      await page.keyboard.press('Escape')
      if (scene.insists) await v.button('I have it').press('Enter')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      if (scene.opener) await expect.poll(() => focused(page)).toBe(longer(scene.opener))
      else await expect.poll(() => held(page)).toBe('')
    })
  }

  look('Escape closes a dialog with the focus in a field for texts', { path: '/resources/db' }, async (v, expect) => {
    await opened(v, 'Edit resource db')
    const hosts = v.page.getByRole('dialog').getByLabel(/^Hosts/)
    await hosts.focus()
    expect(await hosts.getAttribute('aria-expanded')).not.toBe('true')
    await v.page.keyboard.press('Escape')
    await v.page.getByRole('dialog').waitFor({ state: 'detached' })
  })

  look('Escape closes the list of choices first, if there is one', { path: '/grants' }, async (v, expect) => {
    const { page } = v
    await opened(v, 'Create grant')
    await page.getByLabel('All tunnelers with a label').check()
    const label = page.getByRole('combobox', { name: /^Label of the tunnelers/ })
    const choice = page.getByRole('option').first()
    await label.pressSequentially('env')
    await choice.waitFor()
    await page.keyboard.press('Escape')
    await choice.waitFor({ state: 'hidden' })
    expect(await label.isVisible()).toBe(true)
    await label.pressSequentially('=nothing-like-it')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  })

  look('the focus of a dialog itself is seen all around it', { path: '/grants' }, async (v, expect) => {
    await opened(v, 'Withdraw grant everybody-intranet')
    const outline = await v.page.getByRole('dialog').evaluate((e) => {
      e.focus()
      const { outlineStyle, outlineOffset } = getComputedStyle(e)
      return outlineStyle === 'none' ? NaN : parseFloat(outlineOffset)
    })
    expect(outline, 'its header covers what is inside').toBeGreaterThanOrEqual(0)
  })

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
