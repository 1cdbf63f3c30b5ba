// What a role allows, and what errors say.
import { describe } from 'vitest'
import { look } from './look'

describe('an auditor', () => {
  for (const path of ['/connectors/new', '/tunnelers/new', '/people', '/keys']) {
    look(`${path} has no form`, { path, size: { role: 'auditor' } }, async (v, expect) => {
      await v.page.getByText(/^You may not/).waitFor()
      await v.page.getByText('Your role is auditor').waitFor()
      expect(await v.page.locator('main :is(input, textarea, button)').count()).toBe(0)
      expect(v.w.asked.filter((a) => /^GET \/(people|keys|logins|sessions)/.test(a))).toEqual([])
    })
  }

  look(
    'has nothing to press that is refused',
    { path: '/connectors/connector-fra-0001', size: { role: 'auditor' } },
    async (v, expect) => {
      expect(await v.page.getByRole('button', { name: 'Revoke' }).count()).toBe(0)
      await v.page.goto(`${v.url}/requests`)
      await v.page.getByText('connector-lab-01').first().waitFor()
      expect(await v.page.getByRole('button', { name: /Approve|Deny/ }).count()).toBe(0)
    },
  )
})

describe('errors speak of the thing', () => {
  const clock = "This code is not right. Is the phone's clock right?"
  look(
    'a wrong code of an authenticator that is set up',
    {
      path: '/account',
      world: (w) => {
        for (const p of w.people) p.totp = false
      },
    },
    async (v) => {
      await v.button('Set up authenticator').click()
      await v.page.getByLabel(/^Code from the authenticator/).fill('654 321')
      await v.button('Turn on').click()
      await v.page.getByText(clock).waitFor()
      await v.page.getByLabel(/^Code from the authenticator/).fill('123456')
      await v.button('Turn on').click()
      await v.button('I have it').click()
    },
  )

  look(
    'a wrong code of whoever confirms',
    {
      path: '/keys',
      world: (w) => {
        w.steppedUp = 0
      },
    },
    async (v) => {
      await v.button('Create key').click()
      await v.page.getByRole('textbox', { name: 'Name' }).fill('backup')
      await v.page.keyboard.press('Enter')
      await v.page.getByLabel(/^Code from your authenticator/).fill('000000')
      await v.page.keyboard.press('Enter')
      await v.page.getByText(clock).waitFor()
      await v.page.getByLabel(/^Code from your authenticator/).fill('123456')
      await v.page.keyboard.press('Enter')
      await v.page.getByRole('dialog', { name: 'The new API key' }).waitFor()
    },
  )

  look(
    'a wrong password at the door',
    {
      path: '/sign-in',
      world: (w) => {
        w.signedIn = false
      },
    },
    async (v) => {
      await v.page.getByLabel(/^Email/).fill('ada@corp.example')
      await v.page.getByRole('textbox', { name: 'Password' }).fill('wrong')
      await v.page.keyboard.press('Enter')
      await v.page.getByText('The email or the password is not right.').waitFor()
    },
  )
})

describe('a session', () => {
  look('that gets another cookie meanwhile is not taken for ended', { path: '/connectors/new' }, async (v, expect) => {
    const { page, w } = v
    const asked = () => w.asked.filter((a) => a === 'GET /session').length
    await page.getByLabel(/^Id of the connector/).fill('connector-typed')
    const before = asked()
    w.faults.set('GET /session', { status: 401, type: 'unauthenticated' })
    w.emit('person', 'p1')
    await expect.poll(asked).toBe(before + 1)
    w.faults.delete('GET /session')
    await expect.poll(asked).toBe(before + 2)
    await v.settled()
    expect(await page.getByLabel(/^Id of the connector/).inputValue()).toBe('connector-typed')
  })
})

look(
  'a setup link that is opened in the tab that waits for it fills in its code',
  {
    path: '/setup',
    world: (w) => {
      w.signedIn = false
      w.setup = true
    },
  },
  async ({ page, url }, expect) => {
    const code = page.getByRole('textbox', { name: 'Setup code' })
    await page.getByRole('textbox', { name: 'Name' }).fill('Ada')
    await page.goto(url + '/setup#code=ztl_abcd')
    await expect.poll(() => code.inputValue()).toBe('ztl_abcd')
  },
)
