// What a page does while the controller is away, and when it is back: stopped, killed,
// started again, upgraded. Acts of dashboard.mjs.
import assert from 'node:assert/strict'
import { Visitor } from './browser.mjs'
import * as stage from './stage.mjs'

const pages = [
  '/',
  '/connectors',
  '/connectors/new',
  '/connectors/connector-fra-01',
  '/tunnelers',
  '/tunnelers/new',
  '/tunnelers/tunneler-alice',
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
]

/** How much the Overview may load before its numbers are there. */
const budget = 270 * 1024 // bytes

const heading = (page, name) => page.getByRole('heading', { level: 1, name, exact: true })
const updates = (page, state) =>
  page.getByRole('status', { name: state ? `Updates: ${state}` : /^Updates: (Live|Every 10 s)$/ })
const isLive = (page) => updates(page, 'Live').waitFor()
/** A person has eight event streams: further pages ask every 10 s. */
const isWell = (page) => updates(page, null).waitFor()
const isAway = (page) => updates(page, 'Reconnecting').waitFor()

/** Opens pages in a few contexts: a browser has six connections to a host for each. */
async function openAll(arrive, storageState) {
  const few = Array.from({ length: Math.ceil(pages.length / 4) }, (_, i) => pages.slice(4 * i, 4 * i + 4))
  const open = await Promise.all(
    few.map(async (paths) => {
      const v = await arrive({ storageState })
      return Promise.all(
        paths.map(async (path, n) => {
          const page = n ? await v.context.newPage() : v.page
          await page.goto(stage.dashboard + path)
          await isWell(page)
          const name = (await page.locator('h1').first().textContent()).trim()
          return { v, page, path, name }
        }),
      )
    }),
  )
  return open.flat()
}

/** The acts; arrive brings a signed-in visitor. */
export const outage = (browser, signedIn) => {
  const arrive = (options) => Visitor.arrive(browser, options)
  return {
    'a controller that stopped answering makes every number old': async () => {
      const v = await arrive({ storageState: await signedIn() })
      await v.page.clock.install()
      await v.open('/')
      await isLive(v.page)
      await stage.freeze()
      try {
        await v.page.clock.fastForward(19_000)
        await updates(v.page, 'Live').waitFor() // 20 s are not over
        await v.page.clock.fastForward(56_000) // 75 s in all
        await isAway(v.page)
        await v.sees(/What this page shows is as of \d\d:\d\d:\d\d/)
        const number = v.page.locator('section[aria-label=Connectors] .numbers').first()
        const grey = await v.page.evaluate(() => {
          const probe = document.createElement('span')
          probe.style.color = 'var(--quiet)'
          document.body.append(probe)
          const { color } = getComputedStyle(probe)
          probe.remove()
          return color
        })
        assert.equal(await number.evaluate((el) => getComputedStyle(el).color), grey, 'the number is grey')
        await v.look('overview-away', { small: true })
      } finally {
        await stage.thaw()
      }
      await v.page.clock.fastForward(10_000) // the next attempt
      await isLive(v.page)
      assert.equal(await v.page.getByText('as of').count(), 0)
      await v.leave()
    },

    'every page says that the controller is gone, and heals when it is back': async () => {
      const open = await openAll(arrive, await signedIn())
      const fresh = await arrive({ storageState: await signedIn() })
      await fresh.open('/connectors')
      await isWell(fresh.page)
      await stage.kill()
      await Promise.all(open.map(({ page }) => isAway(page)))
      // A page whose code was not loaded yet.
      await fresh.page.getByRole('link', { name: 'Networks', exact: true }).click()
      await fresh.sees('This page is not loaded yet')
      // What cannot be done now says why.
      const member = open.find((o) => o.path === '/connectors/connector-fra-01').page
      await member.getByRole('button', { name: 'Revoke', exact: true }).click()
      await member.getByText(/Nothing can be changed until it does/).waitFor()
      await member.getByRole('textbox', { name: 'Type connector-fra-01 to confirm' }).fill('connector-fra-01')
      assert.ok(await member.getByRole('button', { name: 'Revoke connector' }).isDisabled())
      await member.keyboard.press('Escape')
      await stage.restart()
      await Promise.all(
        open.map(async ({ page, name }) => {
          await isWell(page)
          await heading(page, name).waitFor()
          await page.getByText('No answer').first().waitFor({ state: 'detached' })
        }),
      )
      await heading(fresh.page, 'Networks').waitFor()
      await fresh.sees('default')
      for (const v of new Set(open.map((o) => o.v))) await v.leave()
      await fresh.leave()
    },

    'after an upgrade a page loads itself anew, once': async () => {
      const v = await arrive({ storageState: await signedIn() })
      let documents = 0
      const old = (times) => async (route) => {
        documents++
        const reply = await route.fetch()
        const body = await reply.text()
        const build = documents <= times ? 'aaaaaaaaaaaaaaaa' : '$1'
        await route.fulfill({
          response: reply,
          body: body.replace(/(?<=name="dashboard-build" content=")([0-9a-f]{16})/, build),
        })
      }
      await v.page.route(`${stage.dashboard}/`, old(1))
      await v.page.goto(stage.dashboard)
      await v.page.waitForFunction(() => sessionStorage.length > 0)
      await heading(v.page, 'Overview').waitFor()
      await isLive(v.page)
      assert.equal(documents, 2)
      assert.equal(await v.page.getByText('another version').count(), 0)
      await v.leave()

      // A proxy that keeps the old page: one attempt, then it is said.
      const w = await arrive({ storageState: await signedIn() })
      documents = 0
      await w.page.route(`${stage.dashboard}/`, old(Infinity))
      await w.page.goto(stage.dashboard)
      await w.sees('A reload did not bring it')
      await isLive(w.page)
      await w.look('overview-upgraded')
      assert.equal(documents, 2)
      await w.leave()
    },

    'what somebody typed is not lost to an upgrade': async () => {
      const v = await arrive({ storageState: await signedIn() })
      await v.page.clock.install()
      await v.open('/connectors/new')
      await isLive(v.page)
      await v.fill('Id of the connector', 'connector-typed')
      await v.page.route(/\/api\/admin\/status/, async (route) => {
        const reply = await route.fetch()
        await route.fulfill({
          response: reply,
          headers: { ...reply.headers(), 'x-dashboard-build': 'bbbbbbbbbbbbbbbb' },
        })
      })
      await v.page.clock.fastForward(31_000) // the status is read again
      await v.sees('you have typed something here')
      assert.equal(await v.page.getByRole('textbox', { name: 'Id of the connector' }).inputValue(), 'connector-typed')
      await v.leave()
    },

    'a hidden page gives its event stream back': async () => {
      const v = await arrive({ storageState: await signedIn() })
      await v.page.clock.install()
      await v.open('/')
      await isLive(v.page)
      const turn = (state) =>
        v.page.evaluate((s) => {
          Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => s })
          document.dispatchEvent(new Event('visibilitychange'))
        }, state)
      const ended = v.page.waitForEvent('requestfailed', (r) => new URL(r.url()).pathname.endsWith('/events'))
      await turn('hidden')
      await v.page.clock.fastForward(31_000)
      await ended
      await turn('visible')
      await isLive(v.page)
      await v.leave()
    },

    'a slow network shows something within 2 s': async () => {
      const v = await arrive({ storageState: await signedIn() })
      const cdp = await v.context.newCDPSession(v.page)
      await cdp.send('Network.enable')
      await cdp.send('Network.emulateNetworkConditions', {
        offline: false,
        latency: 40,
        downloadThroughput: 50 * 1024,
        uploadThroughput: 50 * 1024,
      })
      let bytes = 0
      cdp.on('Network.loadingFinished', (e) => {
        bytes += e.encodedDataLength
      })
      await v.page.goto(stage.dashboard, { waitUntil: 'commit' })
      await v.page.locator('section[aria-label=Connectors] .numbers').first().waitFor()
      const usable = await v.page.evaluate(() => Math.round(performance.now()))
      const painted = await v.page.evaluate(() =>
        Math.round(performance.getEntriesByName('first-contentful-paint')[0].startTime),
      )
      console.log(`at 50 KB/s: first paint ${painted} ms, numbers ${usable} ms after ${Math.round(bytes / 1024)} KiB`)
      assert.ok(painted < 2000, `${painted} ms`)
      assert.ok(bytes < budget, `${bytes} bytes until the numbers of the Overview`)
      await v.leave()
    },

    'everything is found from everywhere': async () => {
      const v = await arrive({ storageState: await signedIn() })
      await v.open('/settings')
      await v.page.keyboard.press('/')
      const field = v.page.getByRole('combobox', { name: /^Search connectors/ })
      await field.fill('fra-01')
      await v.page
        .getByRole('option', { name: /connector-fra-01/ })
        .first()
        .waitFor()
      await v.page.getByText(/found\. Arrows choose/).waitFor()
      await v.look('find', { small: true })
      await v.page.keyboard.press('Enter')
      await heading(v.page, 'connector-fra-01').waitFor()
      await v.page.keyboard.press('/')
      await field.fill('nothing-like-it')
      await v.sees('Nothing found.')
      await v.page.keyboard.press('Escape')
      await field.waitFor({ state: 'detached' })
      await v.leave()
    },
  }
}
