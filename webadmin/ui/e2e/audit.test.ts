// The audit log.
import { describe } from 'vitest'
import { ago } from '../dev/world'
import { look, query } from './look'

describe('the audit log', () => {
  look('has the record that is open in the address', { path: '/audit' }, async (v, expect) => {
    const { page, w } = v
    await v.button('Details of Signed in, connector/connector-ams-0001').click()
    const dialog = page.getByRole('dialog', { name: 'Signed in' })
    await dialog.getByText('1199').waitFor()
    expect(query(page).get('record')).toBe('1199')
    // Meanwhile the list moves on, by more than a page.
    for (let i = 0; i < 60; i++) w.events.unshift({ ...w.events[5], index: 1201 + i, time: ago(0) } as never)
    await page.reload()
    await dialog.getByText('1199').waitFor()
    await page.goBack()
    await dialog.waitFor({ state: 'detached' })
  })

  look('is verified n of m, and its times have their zone', { path: '/audit' }, async (v, expect) => {
    await v.page.getByText('Verified 1,187 of 1,200 records: unchanged').waitFor()
    expect(await v.page.locator('table time').first().innerText()).toMatch(/GMT\+[12]$/)
  })

  look(
    'takes a day to its end',
    {
      path: '/audit?until=2026-06-10',
      world: (w) => {
        w.events.unshift({
          ...w.events[0],
          index: 9999,
          title: 'Late that day',
          time: '2026-06-10T20:00:00Z',
        } as never)
      },
    },
    async (v, expect) => {
      await v.page.getByText('Late that day').waitFor()
      const asked = v.w.asked.filter((a) => a.startsWith('GET /audit?')).at(-1)
      expect(decodeURIComponent(asked ?? '')).toContain('until=2026-06-10T22:00:00.000Z')
    },
  )
})

describe('the renewals of SVIDs', () => {
  look('of a member are found from its page', { path: '/connectors/connector-fra-0001' }, async (v, expect) => {
    const { page } = v
    await page.getByRole('link', { name: 'All its SVIDs' }).click()
    await page.getByRole('table', { name: 'SVID renewals' }).waitFor()
    expect(query(page).get('member')).toBe('connector/connector-fra-0001')
    expect(await page.locator('table tbody tr').count()).toBe(3)
    expect(await page.locator('table time').first().innerText()).toMatch(/GMT\+[12]$/)
    const href = await page.getByRole('link', { name: 'Download' }).getAttribute('href')
    expect(href).toBe('/api/admin/audit/renewals/export?member=connector%2Fconnector-fra-0001')
    await page.getByLabel(/^Member/).fill('connector/connector-a*')
    await page.getByText('1–50').waitFor()
    await v.button('Next page').click()
    await page.getByText('51–75').waitFor()
    await page.reload()
    await page.getByText('51–75').waitFor()
  })
})
