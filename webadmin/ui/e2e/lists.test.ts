// Lists whose state is in the address.
import { describe } from 'vitest'
import { look, query } from './look'

describe('a list in the address', () => {
  look(
    'a filter, an order and a page survive a reload and the way back',
    { path: '/connectors' },
    async (v, expect) => {
      const { page } = v
      const first = () => page.locator('table.grid tbody tr').first().innerText()
      await page.getByRole('searchbox').fill('connector-f')
      await page.waitForURL(/q=connector-f/)
      await page.getByRole('searchbox').fill('connector')
      await page.waitForURL(/q=connector$/)
      await v.button('Next page').click()
      await page.getByText('51–100 of 240').waitFor()
      const second = await first()
      await v.button('Next page').click()
      await page.getByText('101–150 of 240').waitFor()
      expect([query(page).get('page'), query(page).get('q')]).toEqual(['3', 'connector'])
      await page.reload()
      await page.getByText('101–150 of 240').waitFor()
      await v.button('Previous page').click()
      await page.getByText('51–100 of 240').waitFor()
      await expect.poll(async () => (await first()).split('\n')[0]).toBe(second.split('\n')[0])
      await page.goBack()
      await page.getByText('101–150 of 240').waitFor()
    },
  )

  look('a second click on Next before the page is drawn does nothing', { path: '/connectors' }, async (v, expect) => {
    const { page, w } = v
    await page.getByText('1–50 of 240').waitFor()
    const before = await page.evaluate(() => window.history.length)
    const asked = w.asked.length
    const twice = async (e: Element) => {
      for (const press of [1, 2]) {
        ;(e as HTMLElement).click()
        if (press === 1) await Promise.resolve()
      }
    }
    await v.button('Next page').evaluate(twice)
    await page.getByText('51–100 of 240').waitFor()
    await v.button('Next page').evaluate(twice)
    await page.getByText('101–150 of 240').waitFor()
    await v.button('Previous page').evaluate(twice)
    await page.getByText('51–100 of 240').waitFor()
    expect(query(page).get('page')).toBe('2')
    expect(await page.evaluate(() => window.history.length)).toBe(before + 3)
    const pages = w.asked.slice(asked).filter((a) => a.startsWith('GET /connectors?') && a.includes('page_token'))
    const read = pages.map((a) => new URLSearchParams(a.split('?')[1]).get('page_token'))
    expect(new Set(read)).toEqual(new Set(['50', '100'])) // some again, because they are read every 10 s
    await page.goBack()
    await page.getByText('101–150 of 240').waitFor()
  })

  look(
    'a link to the middle leads back to the first page',
    { path: '/tunnelers?page=3&after=100' },
    async (v, expect) => {
      await v.page.getByText('101–150 of 240').waitFor()
      await v.button('First page').click()
      await v.page.getByText('1–50 of 240').waitFor()
      expect(query(v.page).has('after')).toBe(false)
    },
  )

  look('a page that is not there any more leads to the first', { path: '/hosts?page=3&after=gone' }, async (v) => {
    await v.button('Go to the first page').click()
    await v.page.getByText(/^1–50 of/).waitFor()
  })

  look('a search that is cleared stays cleared', { path: '/connectors' }, async (v, expect) => {
    const { page } = v
    await page.clock.install()
    const box = page.getByRole('searchbox')
    await box.fill('connector-ams')
    await v.button('Clear search').click()
    await page.clock.runFor(2000)
    await expect.poll(() => box.inputValue()).toBe('')
    expect(query(page).has('q')).toBe(false)
  })

  look('a filter that is chosen right after a search keeps it', { path: '/connectors' }, async ({ page }, expect) => {
    await page.getByRole('searchbox').fill('connector-ams')
    await page.waitForURL(/q=connector-ams/)
    await page.keyboard.press('Tab') // to the button that clears it
    await page.keyboard.press('Tab')
    await page.keyboard.press('Tab')
    await page.keyboard.press('ArrowRight')
    await page.keyboard.press('ArrowRight')
    await page.waitForURL(/status=OFFLINE/)
    expect(query(page).get('q')).toBe('connector-ams')
    await page.keyboard.press('f')
    await page.keyboard.press('Escape')
    await page.waitForURL(/connectors\?status=OFFLINE$/)
  })

  look('a search for a network is in the address', { path: '/networks?q=fra' }, async (v, expect) => {
    await v.page.getByText('1–1 of 1').waitFor()
    await v.button('Clear search').click()
    await v.page.getByText('1–8 of 8').waitFor()
    expect(query(v.page).has('q')).toBe(false)
  })
})
