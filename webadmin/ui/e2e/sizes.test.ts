// Narrow windows and long ids.
import { describe } from 'vitest'
import { type Look, look } from './look'

const long = (prefix: string) => `${prefix}-${'x'.repeat(63 - prefix.length - 1)}`

look('every page fits at 200 %', { path: '/' }, async (v, expect) => {
  const { page, w } = v
  await page.setViewportSize({ width: 640, height: 400 })
  for (const path of [
    '/',
    '/connectors',
    '/connectors/new',
    `/connectors/${w.connectors[0]?.id}`,
    '/tunnelers',
    `/tunnelers/${w.tunnelers[0]?.id}`,
    '/hosts',
    '/networks',
    '/resources',
    '/resources/db',
    '/grants',
    '/reach',
    '/explain',
    '/policy-tests',
    '/flows',
    '/requests',
    '/tokens',
    '/ca',
    '/audit',
    '/audit/renewals',
    '/people',
    '/keys',
    '/device',
    '/account',
    '/settings',
  ]) {
    await page.goto(v.url + path)
    await page.locator('h1').first().waitFor()
    await v.settled()
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    expect(over, path).toBeLessThanOrEqual(0)
  }
})

look('the labels of the charts are whole', { path: '/', size: { members: 10_000 } }, async ({ page }, expect) => {
  for (const width of [1280, 1000, 390]) {
    await page.setViewportSize({ width, height: 800 })
    const cut = () =>
      page.locator('.recharts-cartesian-axis-tick-value').evaluateAll((all) =>
        all.flatMap((e) => {
          const [text, box] = [e.getBoundingClientRect(), e.closest('.clipped')?.getBoundingClientRect()]
          return box && text.left >= box.left && text.right <= box.right ? [] : [e.textContent]
        }),
      )
    await page.locator('.recharts-cartesian-axis-tick-value').nth(9).waitFor()
    await expect.poll(cut, { message: `${width} px` }).toEqual([])
    // A label beside its line has another distance to the next one.
    const uneven = () =>
      page.locator('.recharts-yAxis-tick-labels').evaluateAll((axes) =>
        axes.map((a) => {
          const at = [...a.querySelectorAll('.recharts-cartesian-axis-tick-value')].map(
            (e) => e.getBoundingClientRect().y,
          )
          const gaps = at.slice(1).map((y, i) => Math.abs(y - (at[i] ?? 0)))
          return at.length > 2 && Math.max(...gaps) - Math.min(...gaps) < 2 ? '' : `labels at ${at.join(', ')}`
        }),
      )
    await expect.poll(uneven, { message: `${width} px` }).toEqual(['', '', ''])
  }
})

look('a row of flows has at most three lines at 1280 px', { path: '/flows' }, async ({ page }, expect) => {
  await page.getByText('1–50', { exact: true }).waitFor()
  const heights = await page.locator('table tbody tr').evaluateAll((all) => all.map((e) => e.clientHeight))
  expect(Math.max(...heights)).toBeLessThan(80)
})

describe('ids of 63 characters', () => {
  const scene: Look = {
    path: '/connectors',
    world: (w) => {
      for (const [i, c] of w.connectors.entries()) c.id = long(`connector-${String(i).padStart(4, '0')}`)
      for (const [i, t] of w.tunnelers.entries()) {
        t.id = long(`tunneler-${String(i).padStart(4, '0')}`)
        t.connector_id = w.connectors[0]?.id ?? ''
        for (const s of t.sessions) s.connector_id = t.connector_id
      }
      for (const t of w.tokens) t.id = long('token')
      for (const r of w.requests) r.id = long('request')
      for (const [i, r] of w.resources.entries()) {
        r.id = long(`resource-${i}`)
        r.network_id = long('network')
        r.hosts = [`${long('host')}.${long('dom')}.${long('tld')}`]
        r.labels = { [long('key')]: long('value') }
      }
      for (const [i, g] of w.grants.entries()) {
        g.id = long(`grant-${i}`)
        g.subject = `tunneler/${w.tunnelers[i]?.id}`
        g.object = i % 2 ? `label/${long('key')}=${long('value')}` : `resource/${w.resources[i]?.id}`
      }
      for (const [i, t] of w.policyTests.entries()) {
        t.id = long(`test-${i}`)
        t.subject = `tunneler/${w.tunnelers[i]?.id}`
        t.target = `${long('host')}.${long('dom')}.${long('tld')}:443`
        t.network_id = long('network')
      }
      for (const r of w.renewals) r.member = `connector/${w.connectors[0]?.id}`
      for (const e of w.events) e.target = `connector/${w.connectors[0]?.id}`
    },
  }
  look('fit every list and page at 1280 px', scene, async (v, expect) => {
    const { page, w } = v
    for (const path of [
      '/connectors',
      `/connectors/${w.connectors[0]?.id}`,
      '/tunnelers',
      `/tunnelers/${w.tunnelers[0]?.id}`,
      '/hosts',
      '/resources',
      `/resources/${w.resources[0]?.id}`,
      '/grants',
      '/reach',
      '/policy-tests',
      '/tokens',
      '/requests',
      '/audit',
      '/audit/renewals',
    ]) {
      await page.goto(v.url + path)
      await page.getByText(/x{30}/).first().waitFor()
      expect(await v.over(), path).toBe(0)
    }
  })
})
