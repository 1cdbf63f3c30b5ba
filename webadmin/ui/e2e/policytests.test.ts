// Policy tests, and changes that they refuse.
import { describe } from 'vitest'
import { look, opened } from './look'

describe('a policy test', () => {
  look('says whether it holds, and what decides, in words', { path: '/policy-tests' }, async ({ page }, expect) => {
    const row = (id: string) => page.locator('table tbody tr', { hasText: id })
    await row('wiki-for-test').getByText('holds', { exact: true }).waitFor()
    await row('wiki-for-test').getByText('Reached by the grant everybody-intranet.').waitFor()
    await row('no-vault').getByText('must not reach').waitFor()
    await row('no-vault').getByText('Operators only').waitFor()
    await row('contractor-build').getByText('does not hold').waitFor()
    await row('contractor-build').getByText('A grant was for this tunneler, and has ended.').waitFor()
    expect(await page.locator('table').innerText()).not.toMatch(/not_granted|grant_ended/)
  })

  look('shows at once that it does not hold any more', { path: '/policy-tests' }, async (v) => {
    await v.page.getByRole('status', { name: 'Updates: Live' }).waitFor()
    v.w.grants = v.w.grants.filter((g) => g.id !== 'everybody-intranet')
    v.w.emit('grant', 'everybody-intranet')
    const row = v.page.locator('table tbody tr', { hasText: 'wiki-for-test' })
    await row.getByText('does not hold').waitFor()
    await row.getByText('no grant of the most specific one is for this tunneler').waitFor()
  })

  look(
    'is created; one that does not hold is refused, with what is decided',
    { path: '/policy-tests' },
    async (v, expect) => {
      const { page } = v
      await opened(v, 'Create policy test')
      await page.getByLabel('A tunneler with one label').check()
      await page
        .getByLabel(/^Label of the tunneler/)
        .first()
        .fill('env=test')
      await page.keyboard.press('Escape')
      await page.getByLabel(/^Target/).fill('db.corp')
      await v.button('Create').press('Enter')
      await page.getByText('Is no target: write HOST:PORT').waitFor()
      await page.getByLabel(/^Target/).fill('db.corp:5432')
      await page.getByLabel(/^Id \(optional\)/).fill('no-db')
      await v.button('Create').press('Enter')
      const alert = page.getByRole('dialog').getByRole('alert')
      await alert.getByText('A policy test would not hold').waitFor()
      await alert
        .getByText(/no-db: A tunneler with only the label env=test must reach db.corp:5432, and would be refused/)
        .waitFor()
      await alert.getByText('A test that does not hold cannot be made').waitFor()
      expect(v.w.policyTests).toHaveLength(3)
      await v.judge()
      await page.getByLabel('It must not reach the target').check()
      await v.button('Create').press('Enter')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await page.locator('table tbody tr', { hasText: 'no-db' }).getByText('must not reach').waitFor()
      expect(v.w.policyTests.at(-1)).toMatchObject({
        subject: 'label/env=test',
        target: 'db.corp:5432',
        expect: 'refuse',
      })
    },
  )

  look('is deleted, and the dialog says what that allows', { path: '/policy-tests' }, async (v, expect) => {
    await opened(v, 'Delete policy test no-vault')
    await v.page.getByText('A tunneler with only the label env=test may then get access to vault.corp:8200.').waitFor()
    await v.button('Delete policy test').press('Enter')
    await v.page.getByRole('dialog').waitFor({ state: 'detached' })
    await v.page.getByText('vault.corp:8200').waitFor({ state: 'detached' })
    expect(v.w.policyTests.map((t) => t.id)).toEqual(['contractor-build', 'wiki-for-test'])
  })

  look('is found by its subject, and by the search', { path: '/policy-tests' }, async ({ page }) => {
    await page.getByLabel('Who, such as label/team=dev').fill('tunneler/tunneler-00003')
    await page.getByText('1–1 of 1').waitFor()
    await page.getByRole('heading', { level: 1 }).click()
    await page.keyboard.type('/no-vault')
    await page.getByRole('option', { name: /^Policy test ?no-vault/ }).press('Enter')
    await page.waitForURL(/policy-tests\?q=no-vault$/)
  })
})

describe('a change that a policy test refuses names the test beside its form', () => {
  look('a grant is not withdrawn', { path: '/grants' }, async (v, expect) => {
    await opened(v, 'Withdraw grant everybody-intranet')
    await v.button('Withdraw grant').press('Enter')
    const alert = v.page.getByRole('dialog').getByRole('alert')
    await alert
      .getByText(
        /wiki-for-test: A tunneler with only the label env=test must reach wiki.corp:443 in the network net-fra, and would be refused/,
      )
      .waitFor()
    await alert.getByText('Nothing was changed.').waitFor()
    expect(v.w.grants.map((g) => g.id)).toContain('everybody-intranet')
    await v.judge()
  })

  look('a grant is not created', { path: '/resources/vault' }, async (v, expect) => {
    await opened(v, 'Create grant for resource vault')
    await v.page.getByLabel('All tunnelers with a label').check()
    await v.page
      .getByLabel(/^Label of the tunnelers/)
      .first()
      .fill('env=test')
    await v.page.keyboard.press('Escape')
    await v.button('Create').press('Enter')
    await v.page
      .getByText(
        /no-vault: A tunneler with only the label env=test must not reach vault.corp:8200, and would by the grant g-/,
      )
      .waitFor()
    await v.page.getByText('Its note: Operators only').waitFor()
    expect(v.w.grants).toHaveLength(5)
  })

  look('a grant is not changed', { path: '/grants' }, async (v, expect) => {
    await opened(v, 'Edit grant everybody-intranet')
    await v.page
      .getByLabel(/^Label of the tunnelers/)
      .first()
      .fill('env=prod')
    await v.page.keyboard.press('Escape')
    await v.button('Save').press('Enter')
    await v.page.getByText(/wiki-for-test: .* must reach wiki.corp:443/).waitFor()
    expect(v.w.grants[1]?.subject).toBe('label/env=test')
  })

  look('a resource is not changed', { path: '/resources/intranet' }, async (v, expect) => {
    await opened(v, 'Edit resource intranet')
    await v.page
      .getByLabel(/^Hosts/)
      .first()
      .press('Backspace')
    await v.button('Save').press('Enter')
    await v.page.getByText('No resource covers this host and port').waitFor()
    expect(v.w.resources.find((r) => r.id === 'intranet')?.hosts).toContain('wiki.corp')
    await v.button('Cancel').press('Enter')
    await v.page.getByRole('dialog').waitFor({ state: 'detached' })
    await v.page.getByText('wiki.corp').first().waitFor()
  })
})
