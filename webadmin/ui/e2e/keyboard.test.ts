// What somebody does on a day, by the keyboard alone: no test here has a mouse.
import type { Page } from 'playwright-core'
import { describe, type ExpectStatic } from 'vitest'
import type { Onlooker } from '../dev/browser'
import { held, look, query } from './look'

/** The name of what has the focus, as a screen reader has it. */
const name = (p: Page) =>
  p.evaluate(() => {
    const e = document.activeElement
    const label = (e as HTMLInputElement | null)?.labels?.[0]
    return (e?.getAttribute('aria-label') || label?.textContent || e?.textContent || '').trim()
  })

/** A person with a keyboard: whatever they press, something that can be seen has the focus. */
function typist({ page }: Onlooker, expect: ExpectStatic) {
  const seen = (after: string) => expect.poll(() => held(page), { message: `after ${after}` }).toBe('')
  const press = async (...keys: string[]) => {
    for (const key of keys) {
      await page.keyboard.press(key)
      await seen(key)
    }
  }
  /** Presses Tab; behind the last stop of a page is the browser's own bar, and then the first stop again. */
  const tab = async () => {
    await page.keyboard.press('Tab')
    if (await page.evaluate(() => document.activeElement === document.body)) await page.keyboard.press('Tab')
    await seen('Tab')
  }
  /** Presses Tab until this has the focus. */
  const reach = async (what: string | RegExp) => {
    const passed: string[] = []
    for (let i = 0; i < 120; i++) {
      await tab()
      const here = await name(page)
      if (typeof what === 'string' ? here === what : what.test(here)) return
      passed.push(here.slice(0, 30))
    }
    throw new Error(`${what} is not reached by Tab, which passes ${passed.join(' | ')}`)
  }
  return {
    press,
    tab,
    reach,
    seen,
    type: (text: string) => page.keyboard.type(text),
    /** Goes to a button or link and presses it. */
    use: async (what: string | RegExp) => {
      await reach(what)
      await press('Enter')
    },
    /** Has the focus by itself. */
    isAt: (what: string | RegExp) =>
      expect.poll(() => name(page)).toMatch(typeof what === 'string' ? new RegExp(`^${what}`) : what),
  }
}

const heading = (p: Page, title: string | RegExp) => p.getByRole('heading', { level: 1, name: title }).waitFor()

describe('by the keyboard alone', () => {
  look(
    'one signs in, enrolls, approves, revokes, searches, filters and signs out',
    {
      path: '/sign-in',
      world: (w) => {
        w.signedIn = false
        w.alive = false
      },
    },
    async (v, expect) => {
      const { page, w } = v
      const k = typist(v, expect)

      await k.reach('Email')
      await k.type('ada@corp.example')
      await k.reach('Password')
      await k.type('correct horse')
      await k.press('Enter')
      await k.isAt('Code')
      await k.type('123456')
      await k.press('Enter')
      await heading(page, 'Overview')
      await k.seen('signing in')

      // A token: the field has the focus by itself, and its result asks before it is lost.
      await k.press('g', 'c')
      await heading(page, 'Connectors')
      await k.use('Add connector')
      await k.isAt('Id of the connector')
      await k.type('connector-key-1')
      await k.press('Enter')
      await page.getByText('Run this on the host').waitFor()
      await k.seen('the token is there')
      await k.press('g', 'a')
      await page.getByRole('dialog', { name: 'Leave this page?' }).waitFor()
      await k.press('Escape')
      await k.press('g', 'a')
      await page.getByRole('dialog', { name: 'Leave this page?' }).waitFor()
      await k.use('Leave')

      // A request.
      await heading(page, 'Approvals')
      await k.use('Approve connector-lab-01')
      await k.isAt('Last group of the fingerprint')
      await k.type('7qpd')
      await k.press('Enter')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await page.getByRole('button', { name: 'Approve connector-lab-01' }).waitFor({ state: 'detached' })
      await k.seen('the request is gone')
      expect(w.requests[0]?.status).toBe('approved')

      // A revocation: Escape returns the focus to the button.
      await k.press('g', 'c')
      await heading(page, 'Connectors')
      await k.use('connector-ams-0001')
      await heading(page, 'connector-ams-0001')
      await k.use('Revoke')
      await page.getByRole('dialog', { name: 'Revoke connector connector-ams-0001' }).waitFor()
      await k.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await k.isAt('Revoke')
      await k.press('Enter')
      await k.isAt('Type connector-ams-0001 to confirm')
      await k.type('connector-ams-0001')
      await k.press('Enter')
      await page.getByText('REVOKED').first().waitFor()
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await k.seen('the button is gone')
      expect(w.connectors[1]?.revoked_at).toBeTruthy()

      // A search across everything, a filter, a record, and back.
      await k.press('/')
      await page.getByRole('dialog', { name: 'Search everything' }).waitFor()
      await k.type('tunneler-00002')
      await page.getByRole('option', { name: /^Tunneler ?tunneler-00002/ }).waitFor()
      await page.getByText(/^\d found/).waitFor()
      await k.press('Enter')
      await heading(page, 'tunneler-00002')
      await k.seen('the search is closed')
      await k.press('g', 't')
      await heading(page, 'Tunnelers')
      await k.press('f')
      await k.isAt('Search tunnelers')
      await k.type('tunneler-000')
      await page.waitForURL(/q=tunneler-000$/)
      await k.reach(/^All/)
      await k.press('ArrowRight', 'ArrowRight')
      await page.waitForURL(/status=OFFLINE/)
      await expect.poll(() => page.locator('main [role=status]').last().innerText()).toBe('1–5 of 5')
      await k.use('tunneler-00006')
      await heading(page, 'tunneler-00006')
      await page.goBack()
      await heading(page, 'Tunnelers')
      await k.seen('going back')
      expect([query(page).get('q'), query(page).get('status')]).toEqual(['tunneler-000', 'OFFLINE'])

      await k.use('Account of Ada Lovelace')
      await page.locator('[role=menu]:focus-within').waitFor() // a menu takes the focus after it is shown
      await k.press('ArrowDown', 'ArrowDown', 'ArrowDown')
      await k.isAt('Sign out')
      await k.press('Enter')
      await heading(page, 'Sign in')
      await k.seen('signing out')
      expect(w.signedIn).toBe(false)
    },
  )

  look('the skip link leads past the navigation', { path: '/hosts' }, async (v, expect) => {
    const k = typist(v, expect)
    await k.use('Skip to content')
    await k.reach('Search hosts')
  })

  for (const path of ['/', '/connectors', '/audit', '/connectors/new', '/ca', '/people']) {
    look(`every stop of Tab can be seen in a narrow window: ${path}`, { path }, async (v, expect) => {
      await v.page.setViewportSize({ width: 640, height: 400 })
      const k = typist(v, expect)
      for (let i = 0; i < 40; i++) await k.tab()
    })
  }

  look('a button that waits keeps the focus', { path: '/', size: { members: 12 } }, async (v, expect) => {
    const k = typist(v, expect)
    const item = v.w.connectors.find((c) => c.refusal)?.id ?? ''
    v.w.faults.set(`POST /attention/refusing-${item}/dismiss`, { status: 500, detail: 'internal error' })
    await k.reach(/^Dismiss/)
    await v.page.keyboard.press('Enter')
    await v.page.getByText('The controller could not do this').waitFor()
    await k.isAt('Dismiss')
    v.w.faults.clear()
    await k.press('Enter')
    await v.page.getByRole('button', { name: /^Dismiss: / }).waitFor({ state: 'detached' })
    await k.seen('the item is gone')
  })
})
