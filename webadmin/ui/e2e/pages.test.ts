// What the pages promise, in a browser with a world of its own behind each test.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, type ExpectStatic, test } from 'vitest'
import { Gallery, type Onlooker } from '../dev/browser'
import { dialogs, type Scene } from '../dev/scenes'
import { ago, makeConnector, makeTunneler } from '../dev/world'

let gallery: Gallery
beforeAll(async () => {
  gallery = await Gallery.open()
})
afterAll(() => gallery.close())

type Look = Partial<Scene> & { path: string }

/** A test that looks at a world; the browser must not complain. */
function look(name: string, scene: Look, act: (v: Onlooker, expect: ExpectStatic) => Promise<void>) {
  test.concurrent(name, async ({ expect }) => {
    const v = await gallery.visit(scene)
    try {
      await v.enter()
      await act(v, expect)
      expect(v.faults).toEqual([])
    } finally {
      await v.leave()
    }
  })
}

const focused = (p: Page) =>
  p.evaluate(() => document.activeElement?.getAttribute('aria-label') || document.activeElement?.textContent || '')
const inDialog = (p: Page) => p.evaluate(() => !!document.activeElement?.closest('[role=dialog]'))
const query = (p: Page) => new URL(p.url()).searchParams
const text = (p: Page) => p.locator('main').innerText()

describe('dialogs', () => {
  for (const scene of dialogs) {
    look(`${scene.name}: keyboard, axe, a phone, 200 %`, scene, async (v, expect) => {
      const { page } = v
      await expect.poll(() => inDialog(page), { message: 'the focus is in the dialog' }).toBe(true)
      const stops = await page.locator('[role=dialog] :is(button, input, textarea, [tabindex="0"]):visible').count()
      for (let i = 0; i < Math.min(stops + 2, 14); i++) {
        await page.keyboard.press('Tab')
        expect(await inDialog(page), `Tab ${i + 1} stays in the dialog`).toBe(true)
      }
      await v.judge()
      await page.emulateMedia({ colorScheme: 'light' })
      await page.locator('html[data-mantine-color-scheme=light]').waitFor()
      await v.judge()
      for (const viewport of [
        { width: 390, height: 844 },
        { width: 640, height: 400 },
      ]) {
        await page.setViewportSize(viewport)
        await expect.poll(v.over, { message: `${viewport.width} px` }).toBe(0)
      }
      await page.setViewportSize({ width: 1280, height: 800 })
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      if (scene.opener) await expect.poll(() => focused(page)).toBe(scene.opener)
    })
  }

  look(
    'Escape closes the uppermost dialog only',
    {
      path: '/keys',
      world: (w) => {
        w.steppedUp = 0
      },
    },
    async (v, expect) => {
      await v.button('Create key').press('Enter')
      await v.page.getByRole('textbox', { name: 'Name' }).fill('backup')
      await v.page.keyboard.press('Enter')
      const above = v.page.getByRole('dialog', { name: 'Confirm that it is you' })
      await above.waitFor()
      await v.page.keyboard.press('Escape')
      await above.waitFor({ state: 'detached' })
      expect(await v.page.getByRole('textbox', { name: 'Name' }).inputValue()).toBe('backup')
    },
  )
})

describe('a list in the address', () => {
  look(
    'a filter, an order and a page survive a reload and the way back',
    { path: '/connectors' },
    async (v, expect) => {
      const { page } = v
      const first = () => page.locator('table.grid tbody tr').first().innerText()
      await page.getByRole('searchbox').fill('connector-f')
      await page.waitForURL(/q=connector-f/)
      await page.getByRole('searchbox').fill('connector')
      await page.waitForURL(/q=connector$/)
      await v.button('Next page').click()
      await page.getByText('51–100 of 240').waitFor()
      const second = await first()
      await v.button('Next page').click()
      await page.getByText('101–150 of 240').waitFor()
      expect([query(page).get('page'), query(page).get('q')]).toEqual(['3', 'connector'])
      await page.reload()
      await page.getByText('101–150 of 240').waitFor()
      await v.button('Previous page').click()
      await page.getByText('51–100 of 240').waitFor()
      await expect.poll(async () => (await first()).split('\n')[0]).toBe(second.split('\n')[0])
      await page.goBack()
      await page.getByText('101–150 of 240').waitFor()
    },
  )

  look(
    'a link to the middle leads back to the first page',
    { path: '/tunnelers?page=3&after=100' },
    async (v, expect) => {
      await v.page.getByText('101–150 of 240').waitFor()
      await v.button('First page').click()
      await v.page.getByText('1–50 of 240').waitFor()
      expect(query(v.page).has('after')).toBe(false)
    },
  )

  look('a page that is not there any more leads to the first', { path: '/hosts?page=3&after=gone' }, async (v) => {
    await v.button('Go to the first page').click()
    await v.page.getByText(/^1–50 of/).waitFor()
  })

  look('a search that is cleared stays cleared', { path: '/connectors' }, async (v, expect) => {
    const { page } = v
    await page.clock.install()
    const box = page.getByRole('searchbox')
    await box.fill('connector-ams')
    await v.button('Clear search').click()
    await page.clock.runFor(2000)
    expect(await box.inputValue()).toBe('')
    expect(query(page).has('q')).toBe(false)
  })
})

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

describe('the audit log', () => {
  look('has the record that is open in the address', { path: '/audit' }, async (v, expect) => {
    const { page, w } = v
    await v.button('Details of session.sign-in connector/connector-ams-0001').click()
    const dialog = page.getByRole('dialog', { name: 'session.sign-in' })
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
          action: 'late.that-day',
          time: '2026-06-10T20:00:00Z',
        } as never)
      },
    },
    async (v, expect) => {
      await v.page.getByText('late.that-day').waitFor()
      const asked = v.w.asked.filter((a) => a.startsWith('GET /audit?')).at(-1)
      expect(decodeURIComponent(asked ?? '')).toContain('until=2026-06-10T22:00:00.000Z')
    },
  )
})

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
    if (!w.dismissed.size) throw new Error('the API was not told')
  })

  look('is read by an auditor, who cannot dismiss', { path: '/', size: { role: 'auditor' } }, async (v, expect) => {
    await v.page.getByRole('link', { name: refuses }).waitFor()
    expect(await v.page.getByRole('button', { name: /^Dismiss/ }).count()).toBe(0)
  })
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
    '/requests',
    '/tokens',
    '/ca',
    '/audit',
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
      '/tokens',
      '/requests',
      '/audit',
    ]) {
      await page.goto(v.url + path)
      await page.getByText(/x{30}/).first().waitFor()
      expect(await v.over(), path).toBe(0)
    }
  })
})
