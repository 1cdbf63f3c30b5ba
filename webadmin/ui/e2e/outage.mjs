// What a page does while the controller is away, and when it is back: stopped, killed,
// started again, upgraded. Acts of dashboard.mjs.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { Visitor } from './browser.mjs'
import * as stage from './stage.mjs'

/** What a route with a parameter is opened with. */
const samples = {
  '/connectors/:id': () => '/connectors/connector-fra-01',
  '/tunnelers/:id': () => '/tunnelers/tunneler-alice',
  '/hosts/:id': async (v) => `/hosts/${await first(v, 'hosts', 'id')}`,
  '/tokens/:id': async (v) => `/tokens/${await first(v, 'tokens', 'token_id')}`,
}

async function first(v, list, id) {
  const reply = await v.context.request.get(`${stage.dashboard}/api/admin/${list}`)
  return (await reply.json())[list][0][id]
}

/** Every page of a person who is signed in, read from the table of routes: a new one is tested unasked. */
async function allPages(v) {
  const table = readFileSync(new URL('../src/app/router.tsx', import.meta.url), 'utf8')
  const inner = table.slice(table.indexOf('element: <Guard />'))
  const paths = [...inner.matchAll(/path: ['`]([^'`*]+)['`]/g)].map((m) => `/${m[1]}`)
  const kinds = paths.flatMap((p) =>
    p.includes('${kind}') ? ['connector', 'tunneler'].map((k) => p.replace('${kind}', k)) : [p],
  )
  assert.ok(kinds.length > 15, `only ${kinds} were found in router.tsx`)
  const pages = ['/']
  for (const p of kinds) pages.push(p.includes(':') ? await samples[p](v) : p)
  return pages
}

const slow = { downloadThroughput: 50 * 1024, uploadThroughput: 50 * 1024 } // bytes a second

/**
 * How many bytes the Overview may load, on an empty cache, before something is painted and
 * before its numbers are there: at 50 KiB/s that is 2 s and less than 6 s. A time would
 * say how busy this machine is.
 */
const most = { paint: 100 * 1024, numbers: 270 * 1024 }

const heading = (page, name) => page.getByRole('heading', { level: 1, name, exact: true })
const updates = (page, state) =>
  page.getByRole('status', { name: state ? `Updates: ${state}` : /^Updates: (Live|Every 10 s)$/ })
const isLive = (page) => updates(page, 'Live').waitFor()
/** A person has eight event streams: further pages ask every 10 s. */
const isWell = (page) => updates(page, null).waitFor()
const isAway = (page) => updates(page, 'Reconnecting').waitFor()

/** Opens pages in a few contexts: a browser has six connections to a host for each. */
async function openAll(arrive, storageState) {
  const guide = await arrive({ storageState })
  const pages = await allPages(guide)
  await guide.leave()
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

async function isHealed(page, name) {
  await isWell(page)
  await heading(page, name).waitFor()
  await page.getByText('No answer').first().waitFor({ state: 'detached' })
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
        await v.page.clock.fastForward(12_000)
        await isLive(v.page) // 20 s are not over: the last byte may have come 5 s before
        await v.page.clock.fastForward(63_000) // 75 s in all
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
        v.faults.length = 0 // requests that got no answer
        await v.look('overview-away', { small: true })
      } finally {
        await stage.thaw()
      }
      await v.page.clock.fastForward(10_000) // the next attempt
      await isLive(v.page)
      assert.equal(await v.page.getByText('as of').count(), 0)
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
      const cdp = await v.context.newCDPSession(v.page)
      await cdp.send('Network.enable')
      await cdp.send('Network.emulateNetworkConditions', { offline: false, latency: 40, ...slow })
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

/** Pages that are looked at again when they are well. */
const pictured = new Set(['/', '/connectors/connector-fra-01'])

/** What takes minutes: no clock is moved, and every page is opened. */
export const longOutage = (browser, signedIn) => {
  const arrive = (options) => Visitor.arrive(browser, options)
  return {
    'every page is old 75 s after the controller stopped, and heals when it continues': async () => {
      const open = await openAll(arrive, await signedIn())
      const over = new Promise((resolve) => setTimeout(resolve, 75_000))
      await stage.freeze()
      try {
        await over
        await Promise.all(open.map(({ page }) => isAway(page)))
        for (const { v, page, path } of open) {
          await page.getByText(/What this page shows is as of/).waitFor()
          // What was there stays there.
          if (path === '/connectors') await page.getByRole('link', { name: 'connector-fra-01' }).first().waitFor()
          v.page = page
          v.faults.length = 0 // requests that got no answer
          await v.look(`stopped${path.replaceAll('/', '-')}`, { small: true, large: true })
        }
      } finally {
        await stage.thaw()
      }
      await Promise.all(open.map(({ page, name }) => isHealed(page, name)))
      for (const { v, page, path } of open.filter(({ path }) => pictured.has(path))) {
        v.page = page
        v.faults.length = 0
        await v.look(`healed${path.replaceAll('/', '-')}`, { small: true, large: true })
      }
      for (const v of new Set(open.map((o) => o.v))) await v.leave()
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
      await Promise.all(open.map(({ page, name }) => isHealed(page, name)))
      await heading(fresh.page, 'Networks').waitFor()
      await fresh.sees('default')
      for (const v of new Set(open.map((o) => o.v))) await v.leave()
      await fresh.leave()
    },
  }
}
