// What a page does while the controller is away, and when it is back: stopped, killed,
// started again, upgraded. Acts of dashboard.mjs, which move the page's clock; everypage.mjs
// has them under every page and at full length.
import assert from 'node:assert/strict'
import { Visitor } from './browser.mjs'
import * as stage from './stage.mjs'
import { heading, isAway, isHealed, isLive, looksOld } from './updates.mjs'

/**
 * How many bytes the Overview may load, on an empty cache, before something is painted and
 * before its numbers are there: at 50 KiB/s that is 2 s and less than 6 s. A time would
 * say how busy this machine is.
 */
const most = { paint: 100 * 1024, numbers: 270 * 1024 }

/** The acts that need hosts. */
export const outage = (browser, signedIn) => {
  const arrive = (options) => Visitor.arrive(browser, options)
  return {
    'a controller that hangs makes every page old, and each heals by itself': async () => {
      const v = await arrive({ storageState: await signedIn() })
      await v.page.clock.install() // of all tabs
      const tabs = [v, await v.tab(), await v.tab(), await v.tab()]
      const names = ['Overview', 'connector-fra-01', 'Audit', 'Certificate authority']
      await Promise.all(['/', '/connectors/connector-fra-01', '/audit', '/ca'].map((path, i) => tabs[i].open(path)))
      await Promise.all(tabs.map((t) => isLive(t.page)))
      await stage.freeze()
      const frozen = Date.now()
      try {
        for (const t of tabs) t.away = true
        await v.page.clock.fastForward(12_000)
        await Promise.all(tabs.map((t) => isLive(t.page))) // 20 s are not over: the last byte may have come 5 s before
        await v.page.clock.fastForward(63_000) // 75 s in all
        await Promise.all(tabs.map((t) => isAway(t.page)))
        for (const t of tabs) {
          await looksOld(t.page, frozen)
          await t.fits()
        }
        await v.look('overview-away', { small: true })
      } finally {
        await stage.thaw()
      }
      await v.page.clock.fastForward(10_000) // the next attempt
      await Promise.all(tabs.map((t, i) => isHealed(t.page, names[i])))
      for (const t of tabs) {
        assert.deepEqual(t.faults, [])
        assert.equal(t.loads, 1, 'no page had to be loaded anew')
      }
      await v.leave()
    },

    'a controller that was killed and started again is found, also by a page without its code': async () => {
      const v = await arrive({ storageState: await signedIn() })
      await v.open('/connectors/connector-fra-01')
      const other = await v.tab()
      await other.forgetFiles()
      await other.open('/settings')
      await Promise.all([isLive(v.page), isLive(other.page)])
      for (const t of [v, other]) t.away = true
      await stage.kill()
      await Promise.all([isAway(v.page), isAway(other.page)])
      await other.page.getByRole('link', { name: 'Networks', exact: true }).click()
      await other.sees('This page is not loaded yet')
      // What cannot be done now says why.
      await v.click('Revoke')
      await v.sees(/Nothing can be changed until it does/)
      await v.fill('Type connector-fra-01 to confirm', 'connector-fra-01')
      assert.ok(await v.button('Revoke connector').isDisabled())
      await v.page.keyboard.press('Escape')
      await stage.restart()
      await Promise.all([isHealed(v.page, 'connector-fra-01'), isHealed(other.page, 'Networks')])
      await other.sees('default')
      assert.deepEqual([v.loads, other.loads], [1, 2], 'only the page without its code was loaded anew')
      for (const t of [v, other]) assert.deepEqual(t.faults, [])
      await v.leave()
    },

    'two tabs show the same': async () => {
      const v = await arrive({ storageState: await signedIn() })
      await v.open('/networks')
      const other = await v.context.newPage()
      await other.goto(`${stage.dashboard}/networks`)
      await Promise.all([isLive(v.page), isLive(other)])
      await v.click('Create network')
      await v.fill('Id of the network', 'network-of-two-tabs')
      await v.click('Create')
      await Promise.all(
        [v.page, other].map((p) => p.getByText('network-of-two-tabs', { exact: true }).first().waitFor()),
      )
      await v.leave()
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
      await v.page.clock.install()
      await v.page.route(`${stage.dashboard}/`, old(1))
      await v.page.goto(stage.dashboard)
      await v.page.waitForFunction(() => sessionStorage.length > 0)
      await heading(v.page, 'Overview').waitFor()
      await isLive(v.page)
      assert.equal(documents, 2)
      assert.equal(await v.page.getByText('another version').count(), 0)
      // Long after, the same build may come again: after a rollback.
      await v.page.clock.fastForward(301_000)
      await v.page.waitForFunction(() => sessionStorage.length === 0)
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

    'a slow network shows something at once': async () => {
      const v = await arrive({ storageState: await signedIn() })
      // What paints first needs the document alone: all else does not come before it.
      let paint
      const painted = new Promise((resolve) => {
        paint = resolve
      })
      const hold = async (route) => {
        await painted
        await route.continue()
      }
      await v.page.route((url) => url.pathname !== '/', hold)
      const cdp = await v.slow()
      let bytes = 0
      cdp.on('Network.loadingFinished', (e) => {
        bytes += e.encodedDataLength
      })
      await v.page.goto(stage.dashboard, { waitUntil: 'commit' })
      await v.sees('Loading the dashboard…')
      await v.page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length)
      const first = bytes
      paint()
      await v.page.locator('section[aria-label=Connectors] .numbers').first().waitFor()
      console.log(`first paint after ${Math.ceil(first / 1024)} KiB, numbers after ${Math.ceil(bytes / 1024)} KiB`)
      assert.ok(first < most.paint, `${first} bytes until the first paint`)
      assert.ok(bytes < most.numbers, `${bytes} bytes until the numbers of the Overview`)
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

/** The acts that need none. */
export const withoutHosts = (browser, signedIn) => {
  const arrive = (options) => Visitor.arrive(browser, options)
  return {
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
  }
}
