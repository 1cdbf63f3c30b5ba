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
