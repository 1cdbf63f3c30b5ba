// Connectors, tunnelers, hosts and networks, and what needs attention.
import { describe } from 'vitest'
import { makeTunneler } from '../dev/world'
import { inDialog, look, query } from './look'

describe('a revocation', () => {
  look('promises what is known of this member', { path: '/connectors/connector-fra-0001' }, async (v, expect) => {
    const { page, w } = v
    const c = w.connectors[0]
    if (!c) throw new Error('no connector')
    w.tunnelers.push({ ...makeTunneler(7, 'tunneler-same-host'), host_id: c.host_id })
    await v.button('Revoke').press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.getByText('stays enrolled, because it is also tunneler tunneler-same-host').waitFor()
    await dialog.getByText(/other connectors of the network Office FRA are online/).waitFor()
    expect(await dialog.innerText()).not.toContain('banned')
    await page.keyboard.type('connector-fra-000')
    await page.keyboard.press('Enter')
    expect(c.revoked_at).toBeUndefined()
    await page.keyboard.type('1')
    await page.keyboard.press('Enter')
    await page.getByText('REVOKED').first().waitFor()
    await dialog.waitFor({ state: 'detached' })
    expect(await page.getByRole('button', { name: 'Revoke' }).count()).toBe(0)
  })
})

describe('what operators say', () => {
  look('is edited, and only the change is sent', { path: '/connectors/connector-fra-0001' }, async (v, expect) => {
    const { page, w } = v
    await v.button('Edit name, labels and notes of connector-fra-0001').press('Enter')
    await expect.poll(() => inDialog(page)).toBe(true)
    await page.keyboard.press('ControlOrMeta+A')
    await page.keyboard.type('Cellar')
    await page
      .getByLabel(/^Labels/)
      .first()
      .fill('no label')
    await page.keyboard.press('Enter')
    await page.getByText('"no label" is not a label').waitFor()
    await page.keyboard.press('Backspace')
    await page.keyboard.type('team=core')
    await page.keyboard.press('Enter')
    await v.button('Save').press('Enter')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    const c = w.connectors[0]
    expect([c?.name, c?.labels, c?.notes]).toEqual([
      'Cellar',
      { env: 'prod', site: 'fra', team: 'core' },
      'In the rack below the stairs.',
    ])
    await page.getByRole('link', { name: 'team=core' }).click()
    await page.getByText('1–1 of 1').waitFor()
  })

  look(
    'is not overwritten if somebody else changed it',
    { path: '/connectors/connector-fra-0001' },
    async (v, expect) => {
      await v.button('Edit name, labels and notes of connector-fra-0001').press('Enter')
      await expect.poll(() => inDialog(v.page)).toBe(true)
      await v.page.keyboard.type('x')
      Object.assign(v.w.connectors[0] ?? {}, { revision: 7, notes: 'Moved upstairs.' })
      v.w.emit('connector', 'connector-fra-0001')
      await v.page.locator('dl').getByText('Moved upstairs.').waitFor()
      await v.page.keyboard.press('Enter')
      await v.page.getByText('Somebody else changed this meanwhile').waitFor()
    },
  )

  look('chooses whom to revoke together', { path: '/connectors?label=env%3Dprod' }, async (v, expect) => {
    const { page, w } = v
    const live = () => w.connectors.filter((c) => c.labels.env === 'prod' && !c.revoked_at).length
    const before = live()
    await v.button('Revoke all with this label…').press('Enter')
    await page.getByRole('dialog').getByText('All of them are revoked together, or none.').waitFor()
    await page.keyboard.type('env=prod')
    // One loses the label and another gets it: the number stays.
    const other = w.connectors.find((c) => c.labels.env !== 'prod' && !c.revoked_at)
    Object.assign(w.connectors[6]?.labels ?? {}, { env: 'other' })
    Object.assign(other?.labels ?? {}, { env: 'prod' })
    await page.keyboard.press('Enter')
    await page.getByText('Others have this label now than this dialog shows').waitFor()
    expect(live()).toBe(before)
    await page.keyboard.press('Escape')
    await v.button('Revoke all with this label…').press('Enter')
    await page.getByRole('dialog').getByText('All of them are revoked together').waitFor()
    await page.keyboard.type('env=prod')
    await page.keyboard.press('Enter')
    await page.getByText('No connector matches').waitFor()
    await page.getByText('Revoked', { exact: true }).click()
    await page.getByText(`1–${before} of ${before}`).waitFor()
    expect(query(page).get('status')).toBe('REVOKED')
  })

  look('names networks, which are deleted when they are empty', { path: '/networks' }, async (v, expect) => {
    const { page, w } = v
    await v.button('Delete network net-fra').press('Enter')
    await page.getByText('Move them to another network or revoke them first.').waitFor()
    expect(await v.button('Delete network').isDisabled()).toBe(true)
    await page.keyboard.press('Escape')
    await v.button('Create network').press('Enter')
    await page.keyboard.type('net-fra')
    await page.keyboard.press('Enter')
    await page.getByText('A network has this id already.').waitFor()
    await page.keyboard.press('ControlOrMeta+A')
    await page.keyboard.type('berlin')
    await page.keyboard.press('Enter')
    await v.button('Edit network berlin').press('Enter')
    await page.keyboard.press('ControlOrMeta+A')
    await page.keyboard.type('Berlin office')
    await page.keyboard.press('Enter')
    await page.getByText('Berlin office').waitFor()
    await v.button('Delete network berlin').press('Enter')
    await v.button('Delete network').press('Enter')
    await page.getByText('Berlin office').waitFor({ state: 'detached' })
    expect(w.networks.length).toBe(8)
  })
})

describe('Attention', () => {
  const refuses = /It refuses/
  look('leads to the page of each item, and its mark is on every page', { path: '/' }, async (v) => {
    const { page, w } = v
    const item = page.getByRole('listitem').filter({ hasText: 'It refuses the policy' })
    await item.getByRole('img', { name: 'Critical' }).waitFor()
    await v.judge()
    await item.getByRole('link', { name: refuses }).click()
    await page.waitForURL(/connectors\/connector-/)
    await page.getByLabel('1 needs attention').waitFor()
    await page.goto(`${v.url}/`)
    await page.getByRole('button', { name: /^Dismiss: / }).click()
    await item.waitFor({ state: 'detached' })
    await page.getByLabel('1 needs attention').waitFor({ state: 'detached' })
    if (!w.dismissed.size) throw new Error('the API was not asked')
  })

  look('is read by an auditor, who cannot dismiss', { path: '/', size: { role: 'auditor' } }, async (v, expect) => {
    await v.page.getByRole('link', { name: refuses }).waitFor()
    expect(await v.page.getByRole('button', { name: /^Dismiss/ }).count()).toBe(0)
  })
})
