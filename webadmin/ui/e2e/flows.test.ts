// Flows that are over.
import { describe } from 'vitest'
import { ago } from '../dev/world'
import { look, query } from './look'

describe('the flows', () => {
  look(
    'are found by whom they are of and how they ended, which is in the address',
    { path: '/flows' },
    async (v, expect) => {
      const { page } = v
      await page.getByText('1–50').waitFor()
      await page.getByLabel('Code').fill('refused')
      await page.getByText('1–13', { exact: true }).waitFor()
      expect(query(page).get('code')).toBe('refused')
      expect(await page.locator('table tbody tr').count()).toBe(13)
      expect(await page.locator('table tbody tr', { hasText: 'not_granted' }).count()).toBe(0) // in words
      expect(await page.getByText('7 times').count()).toBe(13)
      const href = await page.getByRole('link', { name: 'Download' }).getAttribute('href')
      expect(href).toBe('/api/admin/flows/export?code=refused')
      await page.getByLabel('Target').fill('nothing:1')
      await page.getByText('No flow matches').waitFor()
    },
  )

  look('come by themselves', { path: '/flows' }, async (v, expect) => {
    await v.page.getByText('1–50').waitFor()
    v.w.flows.unshift({ ...v.w.flows[0], id: '999', target: 'wiki.corp:443', ended_at: ago(0) } as never)
    await v.page.getByText('wiki.corp:443').waitFor({ timeout: 15_000 })
    expect(await v.page.locator('table tbody tr').first().innerText()).toContain('wiki.corp:443')
  })

  look('lead to the tunneler and to the resource, by the keyboard', { path: '/flows' }, async (v) => {
    const first = v.page.locator('table tbody tr').first()
    await first.getByRole('link', { name: 'tunneler-00001' }).press('Enter')
    await v.page.waitForURL(/tunnelers\/tunneler-00001$/)
    await v.page.goBack()
    await first.getByRole('link', { name: 'db' }).press('Enter')
    await v.page.waitForURL(/resources\/db$/)
  })

  look('break no target that is short', { path: '/flows' }, async (v, expect) => {
    const target = v.page.getByText('vault.corp:8200').first()
    await target.waitFor()
    expect(await target.evaluate((e) => e.getClientRects().length && e.getBoundingClientRect().height)).toBeLessThan(24)
  })
})
