// Resources, grants, and who reaches what.
import { describe } from 'vitest'
import type { Onlooker } from '../dev/browser'
import { inDialog, look, opened, query } from './look'

/** Types entries into a field that has several, each ended by Enter. */
const enter = async (v: Onlooker, label: RegExp, ...entries: string[]) => {
  for (const entry of entries) {
    await v.page.getByLabel(label).first().fill(entry)
    await v.page.keyboard.press('Enter')
  }
}

describe('a resource', () => {
  look('is created; what is wrong stands at its field', { path: '/resources' }, async (v, expect) => {
    await opened(v, 'Create resource')
    await expect.poll(() => inDialog(v.page)).toBe(true)
    await v.page.keyboard.type('wiki')
    await enter(v, /^Hosts/, 'wiki.corp', 'no_name')
    await enter(v, /^Ports/, '443')
    await v.button('Create').press('Enter')
    await v.page.getByText('Is neither a name nor an address.').waitFor()
    await v.page
      .getByLabel(/^Hosts/)
      .first()
      .press('Backspace')
    await v.page
      .getByLabel(/^Labels/)
      .first()
      .fill('no label')
    await v.page.keyboard.press('Enter')
    await v.page.getByText('"no label" is not a label').waitFor()
    await v.page.keyboard.press('Backspace')
    await enter(v, /^Labels/, 'env=test')
    await v.button('Create').press('Enter')
    await v.page.getByRole('dialog').waitFor({ state: 'detached' })
    await v.page.getByRole('link', { name: 'wiki' }).waitFor()
    expect(v.w.resources.at(-1)).toMatchObject({ id: 'wiki', hosts: ['wiki.corp'], labels: { env: 'test' } })
  })

  look('is edited, and only the change is sent', { path: '/resources/db' }, async (v, expect) => {
    await opened(v, 'Edit resource db')
    await enter(v, /^Ports/, '5433')
    await v.page.getByLabel(/PROXY protocol/).press('Space')
    await v.button('Save').press('Enter')
    await v.page.getByRole('dialog').waitFor({ state: 'detached' })
    await v.page.getByText('5433').waitFor()
    expect(v.w.resources[0]).toMatchObject({
      ports: ['5432', '5433'],
      alias: 'orders',
      proxy_protocol: 'v2',
      labels: { env: 'prod' },
    })
  })

  look('that somebody else changed is not overwritten', { path: '/resources/db' }, async (v) => {
    await opened(v, 'Edit resource db')
    Object.assign(v.w.resources[0] ?? {}, { revision: 9, name: 'Ledger' })
    v.w.emit('resource', 'db')
    await v.page.locator('main').getByText('Ledger').waitFor()
    await enter(v, /^Ports/, '5433')
    await v.button('Save').press('Enter')
    await v.page.getByText('Somebody else changed this resource meanwhile').waitFor()
  })

  look('is deleted once no grant names it', { path: '/resources/build' }, async (v, expect) => {
    await opened(v, 'Delete resource build')
    await v.page.getByText('2 grants name it. Withdraw them first.').waitFor()
    expect(await v.button('Delete resource').isDisabled()).toBe(true)
    v.w.grants = v.w.grants.filter((g) => g.object !== 'resource/build')
    v.w.emit('grant', 'ada-build')
    await v.page.getByText('Nobody reaches it by a grant of its labels').waitFor()
    await v.button('Delete resource').press('Enter')
    await v.page.waitForURL(/resources$/)
    expect(v.w.resources.map((r) => r.id)).not.toContain('build')
  })
})

describe('a grant', () => {
  look(
    'of a label, for hours, is created; it appears on other pages by itself',
    { path: '/grants' },
    async (v, expect) => {
      await opened(v, 'Create grant')
      await v.page.getByLabel('All tunnelers with a label').check()
      await v.page
        .getByLabel(/^Label of the tunnelers/)
        .first()
        .fill('team=dev')
      await v.page.keyboard.press('Escape')
      await v.page
        .getByLabel(/^Id of the resource/)
        .first()
        .fill('nothing')
      await v.page.keyboard.press('Escape')
      await v.page.getByLabel('Only at certain hours').check()
      expect(await v.button('Create').isDisabled()).toBe(true)
      await enter(v, /^Days and hours/, 'mon-fri 08:00-18:00')
      await v.button('Create').press('Enter')
      await v.page.getByText('There is no resource "nothing": create it first.').waitFor()
      await v.page
        .getByLabel(/^Id of the resource/)
        .first()
        .fill('db')
      await v.page.keyboard.press('Escape')
      await v.button('Create').press('Enter')
      await v.page.getByRole('dialog').waitFor({ state: 'detached' })
      await v.page.getByText('mon-fri 08:00-18:00 in Europe/Berlin').waitFor()
      expect(v.w.grants.at(-1)).toMatchObject({ subject: 'label/team=dev', object: 'resource/db' })
    },
  )

  look('is changed: its end and its hours, and nothing else', { path: '/grants' }, async (v, expect) => {
    const before = { ...v.w.grants.find((g) => g.id === 'ada-db') }
    await opened(v, 'Edit grant ada-db')
    const who = v.page.getByLabel(/^Id of the tunneler/).first()
    expect(await who.inputValue()).toBe('tunneler-00002')
    await v.page.getByLabel(/^Ends at/).fill('')
    await v.page.getByLabel('Only at certain hours').check()
    await enter(v, /^Days and hours/, 'mon-fri 08:00-18:00')
    await v.button('Save').press('Enter')
    await v.page.getByRole('dialog').waitFor({ state: 'detached' })
    await v.page.getByText('mon-fri 08:00-18:00 in Europe/Berlin').waitFor()
    expect(v.w.grants.find((g) => g.id === 'ada-db')).toEqual({
      ...before,
      until: undefined,
      time_zone: 'Europe/Berlin',
      windows: ['mon-fri 08:00-18:00'],
      revision: 2,
    })
    await opened(v, 'Edit grant ada-db')
    await v.page.getByLabel('Only at certain hours').uncheck()
    await v.button('Save').press('Enter')
    await v.page.getByRole('dialog').waitFor({ state: 'detached' })
    await expect.poll(() => v.w.grants.find((g) => g.id === 'ada-db')?.windows).toBeUndefined()
  })

  look('that somebody else changed is not overwritten', { path: '/resources/db' }, async (v, expect) => {
    await opened(v, 'Edit grant ada-db')
    Object.assign(v.w.grants[0] ?? {}, { revision: 9 })
    v.w.emit('grant', 'ada-db')
    await v.page.getByLabel(/^Ends at/).fill('2031-05-06T07:08')
    await v.button('Save').press('Enter')
    await v.page.getByText('Somebody else changed this grant meanwhile').waitFor()
    expect(v.w.grants[0]?.until).not.toContain('2031')
  })

  look('is withdrawn, and the dialog promises what happens', { path: '/resources/db' }, async (v, expect) => {
    await opened(v, 'Withdraw grant ada-db')
    const dialog = v.page.getByRole('dialog')
    await dialog.getByText('Tunneler tunneler-00002 no longer reaches the resource db by this grant.').waitFor()
    await dialog.getByText('end the open flows that no other grant allows').waitFor()
    await v.button('Withdraw grant').press('Enter')
    await dialog.waitFor({ state: 'detached' })
    await v.page.getByText('tunneler-00002').waitFor({ state: 'detached' })
    expect(v.w.grants.map((g) => g.id)).not.toContain('ada-db')
  })

  look('that somebody else makes or withdraws is shown at once', { path: '/grants' }, async (v) => {
    await v.page.getByRole('status', { name: 'Updates: Live' }).waitFor()
    v.w.grants.push({
      id: 'zoe',
      subject: 'tunneler/zoe',
      object: 'resource/db',
      created_at: '2026-01-01T00:00:00Z',
      revision: 1,
    })
    v.w.emit('grant', 'zoe')
    await v.page.getByRole('link', { name: 'zoe' }).waitFor()
    v.w.grants.pop()
    v.w.emit('grant', 'zoe')
    await v.page.getByRole('link', { name: 'zoe' }).waitFor({ state: 'detached' })
  })

  look('is found by its subject, which is in the address', { path: '/grants' }, async (v, expect) => {
    await v.page.getByLabel('Who, such as label/team=dev').fill('tunneler/tunneler-00002')
    await v.page.getByText('1–2 of 2').waitFor()
    expect(query(v.page).get('subject')).toBe('tunneler/tunneler-00002')
  })
})

describe('an auditor', () => {
  for (const path of [
    '/resources',
    '/resources/db',
    '/grants',
    '/policy-tests',
    '/reach',
    '/explain?from=tunneler-00002&to=db.corp%3A5432',
  ]) {
    look(`sees no form that the API would refuse: ${path}`, { path, size: { role: 'auditor' } }, async (v, expect) => {
      await v.settled()
      expect(
        await v.page
          .locator('main')
          .getByRole('button', { name: /Create|Withdraw|Edit|Delete/ })
          .count(),
      ).toBe(0)
    })
  }
})

describe('who reaches what', () => {
  look('is a picture and a table, by the keyboard too', { path: '/reach', size: { members: 9 } }, async (v, expect) => {
    const node = v.page.getByRole('link', { name: /^tunneler-00002.* reaches build, db$/ })
    await node.focus()
    expect(await v.page.locator('table[aria-label="Who reaches what"] tbody tr').count()).toBe(
      await v.page.locator('svg.topology path').count(),
    )
    await v.page.keyboard.press('Enter')
    await v.page.waitForURL(/tunnelers\/tunneler-00002$/)
  })

  look('is of one tunneler, from its own page', { path: '/tunnelers/tunneler-00002' }, async (v, expect) => {
    await v.page.getByRole('link', { name: 'As a picture' }).press('Enter')
    await v.page.waitForURL(/reach\?tunneler=tunneler-00002$/)
    await v.page
      .getByRole('link', { name: /^tunneler-00002/ })
      .first()
      .waitFor()
    await expect.poll(() => v.page.locator('svg.topology path').count()).toBe(2)
    v.w.grants = v.w.grants.filter((g) => g.id !== 'ada-db')
    v.w.emit('grant', 'ada-db')
    await expect.poll(() => v.page.locator('svg.topology path').count()).toBe(1)
  })
})

describe('explain', () => {
  look('answers with what decides, and anew after a change', { path: '/explain' }, async (v) => {
    await v.page
      .getByLabel(/^Tunneler/)
      .first()
      .fill('tunneler-00002')
    await v.page.keyboard.press('Escape')
    await v.page
      .getByLabel(/^Target/)
      .first()
      .fill('db.corp')
    await v.page.keyboard.press('Enter')
    await v.page.getByText('"db.corp" is no target').waitFor()
    await v.page
      .getByLabel(/^Target/)
      .first()
      .fill('db.corp:5432')
    await v.page.keyboard.press('Enter')
    await v.page.getByText('A grant holds now.').waitFor()
    await v.page.getByRole('link', { name: 'ada-db' }).waitFor()
    v.w.grants = v.w.grants.filter((g) => g.id !== 'ada-db')
    v.w.emit('grant', 'ada-db')
    await v.page.getByText('no grant of the most specific one is for this tunneler').waitFor()
  })
})

look('a search finds resources and grants', { path: '/' }, async ({ page }) => {
  await page.keyboard.type('/db')
  await page.getByRole('option', { name: /^Resource ?Orders database/ }).waitFor()
  await page.getByRole('option', { name: /^Grant ?ada-db/ }).waitFor()
})
