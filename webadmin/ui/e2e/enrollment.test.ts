// A token, from its form until the host is online.
import { describe } from 'vitest'
import type { Onlooker } from '../dev/browser'
import { makeConnector } from '../dev/world'
import { type Look, look, query, text } from './look'

const create = async (v: Onlooker, id: string) => {
  await v.page.getByLabel(/^Id of the connector/).fill(id)
  await v.page.keyboard.press('Enter')
  await v.page.getByText('Run this on the host').waitFor()
  const token = v.w.tokens[0]
  if (!token) throw new Error('no token')
  return token
}
const quiet: Look = {
  path: '/connectors/new',
  world: (w) => {
    w.alive = false
  },
}

describe('an enrollment', () => {
  look('hides the token and says what next when the host is online', quiet, async (v, expect) => {
    const { page, w } = v
    const token = await create(v, 'connector-new-9')
    const secret = (await page.locator('section[aria-label=token] pre').innerText()).trim()
    w.redeem(token)
    await page.getByText('The host presented the token').waitFor()
    expect(await page.content()).toContain(secret)
    w.connect(token)
    await page.getByRole('heading', { name: 'The connector is online' }).waitFor()
    expect(await page.content()).not.toContain(secret)
    expect(await text(page)).not.toMatch(/expires in|valid for/)
    await page.getByRole('link', { name: 'Add a tunneler' }).click() // nothing is lost: nothing is asked
    await page.getByRole('heading', { name: 'Add a tunneler' }).waitFor()
  })

  look('is not taken for online because of the host that it replaces', quiet, async (v, expect) => {
    const { page, w } = v
    w.connectors.unshift(makeConnector(0, 'connector-twice'))
    await page.getByRole('checkbox').check()
    const token = await create(v, 'connector-twice')
    w.redeem(token, 'host-other')
    await page.getByText('The host presented the token').waitFor()
    await page.getByText('ONLINE, in progress').waitFor({ state: 'attached' })
    expect(await page.getByText('The connector is online').count()).toBe(0)
  })

  look('asks before the token is lost, and follows it after a reload', quiet, async (v, expect) => {
    const { page, w } = v
    const token = await create(v, 'connector-new-8')
    await page.getByRole('link', { name: 'Hosts' }).click()
    await page.getByRole('dialog', { name: 'Leave this page?' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByText('Run this on the host').waitFor()
    let asked = ''
    page.once('dialog', (d) => {
      asked = d.type()
      void d.accept()
    })
    await page.reload()
    expect(asked).toBe('beforeunload')
    await page.getByRole('heading', { name: 'The token is not shown again' }).waitFor()
    expect(query(page).get('token')).toBe(token.token_id)
    await page.getByRole('status', { name: 'Updates: Live' }).waitFor()
    Object.assign(token, { status: 'expired' })
    w.emit('token', token.token_id)
    await page.getByRole('heading', { name: 'The token is expired' }).waitFor()
    await page.getByRole('link', { name: 'Create a new token' }).first().click()
    await page.getByLabel(/^Id of the connector/).waitFor()
  })

  look('says at the field what is wrong with it', quiet, async (v, expect) => {
    await v.page.getByLabel(/^Id of the connector/).fill('No Such Id')
    await v.page.keyboard.press('Enter')
    const field = v.page.getByLabel(/^Id of the connector/)
    await expect.poll(() => field.getAttribute('aria-invalid')).toBe('true')
    await v.page.getByText('Must be 1 to 63 characters').waitFor()
    expect(await v.page.getByRole('alert').count()).toBe(0)
  })
})
