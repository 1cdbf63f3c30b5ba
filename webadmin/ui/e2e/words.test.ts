// What pages say, and in whose words.
import type { Locator, Page } from 'playwright-core'
import { describe } from 'vitest'
import type { Onlooker } from '../dev/browser'
import { long } from '../dev/long'
import { warnings } from '../dev/scenes'
import { look } from './look'

const colour = (l: Locator) => l.evaluate((e) => getComputedStyle(e).color)
/** The colour of a tone, as a browser writes it. */
const colourOf = (p: Page, tone: string) =>
  p.evaluate((name) => {
    const e = document.body.appendChild(document.createElement('i'))
    e.style.color = `var(${name})`
    return getComputedStyle(e).color
  }, tone)

describe('Attention', () => {
  look(
    'is amber while nothing is critical, and shows commands as code',
    {
      path: '/',
      world: (w) => {
        for (const c of w.connectors) c.refusal = undefined
        warnings(w)
      },
    },
    async ({ page }, expect) => {
      const attention = page.locator('section[aria-label=Attention]')
      await attention.getByText('grpcconnector doctor').waitFor()
      expect(await attention.locator('code').allInnerTexts()).toEqual(['grpcconnector doctor'])
      expect(await attention.innerText()).not.toContain('`')
      const amber = await colourOf(page, '--warn')
      expect(await colour(attention.locator('.mantine-Badge-root'))).toBe(amber)
      expect(await colour(page.getByLabel('1 needs attention'))).toBe(amber)
    },
  )

  look('is red as soon as something is critical', { path: '/', world: warnings }, async ({ page }, expect) => {
    const badge = page.locator('section[aria-label=Attention] .mantine-Badge-root')
    expect(await colour(badge)).toBe(await colourOf(page, '--bad'))
  })
})

describe('an event', () => {
  look('has words in the list, and its own name in the detail', { path: '/audit' }, async (v, expect) => {
    const { page } = v
    await page
      .getByRole('button', { name: /^Details of Enrollment token created/ })
      .first()
      .waitFor()
    expect(await page.locator('table.grid').innerText()).not.toContain('token.create')
    const attack = page.getByRole('row').filter({ hasText: 'Host contested' }).first()
    expect(await attack.innerText()).toContain('alert')
    expect(await attack.innerText()).not.toContain('success')
    await page
      .getByRole('button', { name: /^Details of Enrollment token created/ })
      .first()
      .click()
    await page.getByRole('dialog').getByRole('link', { name: 'token.create' }).click()
    await page.waitForURL(/action=token.create/)
    await page.getByRole('dialog').waitFor({ state: 'detached' })
    await expect.poll(() => page.getByRole('button', { name: /^Details of Signed in/ }).count()).toBe(0)
    await page.goto(`${v.url}/`)
    await page.locator('section[aria-label="Latest activity"]').getByText('Enrollment token created').first().waitFor()
  })

  look('has its time in one line', long({ name: '', path: '/audit' }), async ({ page }, expect) => {
    const lines = await page.locator('table.grid time').evaluateAll((all) => all.map((e) => e.getClientRects().length))
    expect(new Set(lines)).toEqual(new Set([1]))
  })
})

describe('what is not there', () => {
  for (const [path, words] of [
    ['/connectors/nobody', 'No connector has this id.'],
    ['/tunnelers/nobody', 'No tunneler has this id.'],
    ['/hosts/nobody', 'No host has this id.'],
    ['/tokens/nothing', 'No enrollment token has this id.'],
  ] as const) {
    look(`is not found: ${path}`, { path }, async ({ page }, expect) => {
      const alert = page.getByRole('alert')
      await alert.getByText('Not found', { exact: true }).waitFor()
      await alert.getByText(words).waitFor()
      expect(await page.getByRole('button', { name: 'Try again' }).count()).toBe(0)
    })
  }

  look(
    'is not confirmed by opening an address',
    {
      path: '/confirmed',
      world: (w) => {
        w.steppedUp = 0
      },
    },
    async ({ page }, expect) => {
      await page.getByRole('heading', { name: 'Nothing to confirm' }).waitFor()
      expect(await page.getByText('You have confirmed that it is you', { exact: true }).count()).toBe(0)
    },
  )
})

describe('a part that the controller has not answered for', () => {
  const away = async (v: Onlooker) => {
    await v.page.getByRole('status', { name: 'Updates: Live' }).waitFor()
    await v.page.route('**/api/**', (r) => r.abort())
    v.w.cut()
    await v.page.getByText('Nothing can be changed until it is back').waitFor()
  }
  const lost = { path: '/connectors', reports: /ERR_FAILED|ERR_INCOMPLETE_CHUNKED_ENCODING/ }

  look('keeps the rows that it has, without a word', lost, async (v, expect) => {
    await away(v)
    await v.page.waitForEvent('requestfailed', (r) => r.url().includes('/connectors?')) // it was asked for again
    await v.page.waitForEvent('requestfailed', (r) => r.url().includes('/connectors?'))
    await v.page.waitForEvent('requestfailed', (r) => r.url().includes('/connectors?')) // the last attempt
    await v.settled()
    expect(await v.page.locator('table.grid tbody tr').count()).toBe(50)
    expect(await v.page.getByText('No answer').count()).toBe(0)
    expect(await v.page.getByRole('alert').count()).toBe(0)
  })

  look('says so once for each part, and has it when the controller is back', lost, async (v, expect) => {
    await away(v)
    await v.page.getByRole('link', { name: 'Certificate authority' }).click()
    await v.page.getByText('No answer yet').waitFor()
    await v.page.getByRole('link', { name: 'Tunnelers' }).click()
    await v.page.getByRole('heading', { name: 'Tunnelers' }).waitFor()
    await expect.poll(() => v.page.locator('main').getByText('No answer').count()).toBe(1)
    await v.page.unroute('**/api/**')
    await v.page.locator('table.grid tbody tr').first().waitFor()
    await v.page.getByText('No answer').waitFor({ state: 'detached' })
  })

  look('is named once where two answers are missing', lost, async (v, expect) => {
    await v.page.getByRole('status', { name: 'Updates: Live' }).waitFor()
    await v.page.route(/\/api\/admin\/(ca\/bootstrap|enrollment|events)/, (r) => r.abort())
    await v.page.route(/\/api\/admin\/(status|session)/, (r) => r.abort())
    v.w.cut()
    await v.page.getByRole('link', { name: 'Certificate authority' }).click()
    const section = v.page.locator('section[aria-label="Bootstrap CA"]')
    await section.getByText('No answer').first().waitFor()
    expect(await section.getByText('No answer').count()).toBe(1)
  })
})

describe('an error of the identity provider in the address', () => {
  const path = '/sign-in?error=oidc-refused'
  look('leads somebody with a password to the dashboard', { path }, async ({ page }) => {
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
  })
  look('that does not exist does too', { path: '/sign-in?error=constructor' }, async ({ page }) => {
    await page.getByRole('heading', { name: 'Overview' }).waitFor()
  })
  look(
    'tells somebody of the provider that they have not confirmed',
    { path, world: (w) => w.people.forEach((p) => (p.oidc = true)) },
    async ({ page }) => {
      await page.getByRole('heading', { name: 'Not confirmed' }).waitFor()
      await page.getByText('did not say that you are Ada Lovelace').waitFor()
    },
  )
})

look('a duration is in words', { path: '/ca' }, async (v, expect) => {
  await v.page.getByText('24 hours', { exact: true }).waitFor()
  expect(await v.page.locator('main').innerText()).not.toMatch(/\d[hm]\d+[ms]/)
  await v.page.goto(`${v.url}/settings`)
  await v.page.getByText('10 minutes', { exact: true }).first().waitFor()
  expect(await v.page.locator('main').innerText()).not.toMatch(/\d[hm]\d+[ms]/)
})

describe('an empty list', () => {
  for (const [path, words] of [
    ['/connectors', 'Add one for each private network'],
    ['/tunnelers', 'A tunneler gives a host access'],
    ['/hosts', 'A host appears here'],
    ['/networks', 'A network appears with its first connector'],
    ['/resources', 'A resource says what there is to reach'],
    ['/grants', 'Nobody reaches anything'],
    ['/policy-tests', 'A policy test keeps a later change'],
    ['/flows', 'A flow appears here within seconds of its end'],
    ['/reach', 'No grant is of something that is there'],
    ['/tokens', 'Create one to enroll a host'],
    ['/requests', 'A host that requests enrollment appears here'],
    ['/audit', 'The first change is recorded here'],
    ['/audit/renewals', 'The first one appears soon after'],
    ['/keys', 'Create one for automation'],
  ] as const) {
    look(`says what would be there: ${path}`, { path, size: { empty: true } }, async ({ page }) => {
      await page.getByText(words).waitFor()
    })
  }

  look('of command lines says how to sign one in', { path: '/keys', size: { empty: true } }, async ({ page }) => {
    await page.getByText('grpccontroller login').waitFor()
  })
})
