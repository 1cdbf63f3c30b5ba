// Every page of the dashboard while the controller is away, and when it is back: stopped for
// 75 s, killed, upgraded, behind a slow network. No clock is moved. The pages are those of
// the application's own table of routes, open side by side in several browsers. It is started
// by internal/e2e/dashboard, TestOutage; outage.mjs has short forms of some acts.
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { launch, Visitor } from './browser.mjs'
import { routes } from './routes.mjs'
import * as stage from './stage.mjs'
import { perform } from './story.mjs'
import { heading, isAway, isHealed, isLive, looksOld, saidAt } from './updates.mjs'

const most = {
  away: 22_000, // ms until a page says that nothing comes: 20 s, to the second, on a busy machine
  gone: 5_000, // ms until it notices that its connections were cut
  healed: 20_000, // ms until it is current again
  paint: 2_000, // ms until something is painted at 50 KiB/s
}
const stopped = 75_000 // ms

const password = 'a long sentence, not a riddle'
const grace = (n) => ({ name: `Grace Hopper ${n}`, email: `grace-${n}@mycorp.internal` })
const owner = { name: 'Ada Lovelace', email: 'ada@mycorp.internal' }

/** A person has eight event streams, and a browser six connections to a host. */
const each = { person: 8, browser: 4 }

/** What a route with a parameter is opened with. */
const samples = {
  '/connectors/:id': () => '/connectors/connector-fra-01',
  '/tunnelers/:id': () => '/tunnelers/tunneler-alice',
  '/hosts/:id': async (v) => `/hosts/${await first(v, 'hosts', 'id')}`,
  '/resources/:id': async (v) => `/resources/${await someResource(v)}`,
  '/tokens/:id': async (v) => `/tokens/${await first(v, 'tokens', 'token_id')}`,
  '/*': () => '/no-such-page',
}

async function first(v, list, id) {
  const reply = await v.context.request.get(`${stage.dashboard}/api/admin/${list}`)
  return (await reply.json())[list][0][id]
}

/** The id of a resource, which is there after the first time. */
async function someResource(v) {
  const api = `${stage.dashboard}/api/admin`
  const { csrf_token } = await (await v.context.request.get(`${api}/session`)).json()
  const reply = await v.context.request.post(`${api}/resources`, {
    headers: { 'X-CSRF-Token': csrf_token },
    data: { id: 'db', hosts: ['db.corp'], ports: ['5432'] },
  })
  assert.ok(reply.ok() || reply.status() === 409, await reply.text())
  return 'db'
}

async function pathOf(route, v) {
  if (samples[route.path]) return samples[route.path](v)
  assert.ok(!/[:*]/.test(route.path), `say in samples how ${route.path} is opened`)
  return route.path
}

const browser = await launch()
const all = await routes()
const inside = all.filter((r) => r.signedIn)
let ada, tabs, signedIn // a visitor, the open pages, cookies of each person

/** Opens a setup link and chooses the password. */
async function setUp(v, link, { name, email } = {}) {
  await v.open(link)
  if (name) await v.fill('Name', name)
  if (email) await v.fill('Email', email)
  await v.fill('Password', password)
  await v.fill('Password again', password)
  await v.click('Create the account')
  await heading(v.page, 'Overview').waitFor()
}

/** Invites another owner; resolves with the link. */
const invite = (v, n) =>
  v.page.evaluate(async (person) => {
    const { csrf_token } = await (await fetch('/api/admin/session')).json()
    const reply = await fetch('/api/admin/people', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-CSRF-Token': csrf_token },
      body: JSON.stringify({ ...person, role: 'owner' }),
    })
    return (await reply.json()).setup_url
  }, grace(n))

const chunks = (list, n) => Array.from({ length: Math.ceil(list.length / n) }, (_, i) => list.slice(n * i, n * i + n))

/** Does something with all of them at once, and reports each that failed. */
async function every(list, act) {
  const ends = await Promise.allSettled(list.map(act))
  const failed = ends.flatMap(({ reason }, i) => (reason ? [`${list[i].path}: ${reason.message}`] : []))
  assert.equal(failed.join('\n'), '')
}

/** The same, one after the other. */
async function inTurn(list, act) {
  let last = Promise.resolve()
  await every(list, (t) => {
    const mine = last.then(() => act(t))
    last = mine.catch(() => {})
    return mine
  })
}

/** Opens every page, each Live. */
async function openEvery() {
  signedIn = [await ada.context.storageState()]
  for (let n = 1; n * each.person < inside.length; n++) {
    const v = await Visitor.arrive(browser)
    await setUp(v, await invite(ada, n))
    signedIn.push(await v.context.storageState())
    await v.leave()
  }
  await ada.page.goto('about:blank') // her event stream is for a page
  tabs = []
  for (const [n, routes] of chunks(inside, each.person).entries()) {
    const storageState = signedIn[n]
    for (const few of chunks(routes, each.browser)) {
      const colorScheme = tabs.length % (2 * each.browser) ? 'light' : 'dark'
      const v = await Visitor.arrive(browser, { storageState, colorScheme })
      for (const [i, route] of few.entries()) {
        const t = i ? await v.tab() : v
        Object.assign(t, { route, path: await pathOf(route, ada) })
        tabs.push(t)
      }
      await every(tabs.slice(-few.length), enter)
    }
  }
}

async function enter(t) {
  if (!t.forgets) await t.forgetFiles()
  t.forgets = true
  await t.open(t.path)
  await isLive(t.page)
  // A confirmation ends after five minutes, and its page says so.
  if (t.path === '/confirmed') t.title = /^(Confirmed|Nothing to confirm)$/
  else t.title = (await t.page.locator('h1').first().textContent()).trim()
}

/** Loads every tab anew, all at once, and says how many ms that takes here. */
async function loadAll() {
  const began = Date.now()
  await every(tabs, enter)
  const took = Date.now() - began
  console.log(`all pages loaded at once in ${(took / 1000).toFixed(1)} s`)
  return took
}

const at = (path) => tabs.find((t) => t.path === path)
const build = (page) => page.locator('meta[name=dashboard-build]').getAttribute('content')
const served = async () => (await fetch(stage.dashboard)).headers.get('x-dashboard-build')

/**
 * The controller goes, then something else happens, then it is back, and every tab heals: in the
 * time that a page has for it, and that this machine takes to load all of them at once.
 */
async function outage({ go, meanwhile = async () => {}, back, healed = isWell, loading = 0, gone = /^$/ }) {
  for (const t of tabs) t.before = t.loads
  for (const t of tabs) t.away = true
  const going = Date.now() // a page may notice before the process has ended
  await go()
  const went = Date.now()
  try {
    await every(tabs, (t) => isAway(t.page))
    await meanwhile(went, going)
  } finally {
    await back()
  }
  const came = Date.now()
  await every(tabs, healed)
  const lives = await Promise.all(
    tabs.map(async (t) => ({ path: t.path, at: (await saidAt(t.page, 'Live', went)).at(-1) })),
  )
  lives.sort((a, b) => a.at - b.at)
  const [last, after] = [lives.at(-1).at, ({ at }) => `${((at - came) / 1000).toFixed(1)} s`]
  console.log(
    `all pages were Live ${after(lives.at(-1))} after the controller was back, half of them ${after(lives[lives.length >> 1])}; last ${lives
      .slice(-3)
      .map((l) => `${l.path} ${after(l)}`)
      .join(', ')}`,
  )
  assert.ok(last - came < most.healed + loading, `${last - came} ms`)
  for (const t of tabs) t.away = false
  await every(tabs, async (t) =>
    assert.deepEqual(
      t.faults.splice(0).filter((f) => !gone.test(f)),
      [],
    ),
  )
}

const isWell = (t) => isHealed(t.page, t.title)

/** How often each tab loaded itself anew during the last outage. */
const reloads = () => Object.fromEntries(tabs.map((t) => [t.path, t.loads - t.before]))
const reloaded = (times) => Object.fromEntries(tabs.map((t) => [t.path, times(t)]))

/** How long every tab took to say that the controller is away. */
async function noticed(went, within) {
  await every(tabs, async (t) => {
    const after = (await saidAt(t.page, 'Reconnecting', went))[0] - went
    assert.ok(after <= within, `said so ${after} ms after the controller went`)
  })
}

/** Goes where a link leads. */
const visit = (page, path) =>
  page.evaluate((to) => {
    window.history.pushState({}, '', to)
    window.dispatchEvent(new window.PopStateEvent('popstate'))
  }, path)

/** For every tab the next page whose code it does not have. */
const elsewhere = () =>
  new Map(
    tabs.map((t, i) => [
      t,
      [...tabs.slice(i + 1), ...tabs].find(({ route }) => route.code && route.code !== t.route.code),
    ]),
  )

/** What somebody has begun to type, and how it is found again. */
const typed = [
  { path: '/connectors/new', label: 'Id of the connector', text: 'connector-typed' },
  { path: '/device', label: 'Code that the command line shows', text: 'BBBB-BB' },
  { path: '/networks', opens: 'Create network', label: 'Id of the network', text: 'network-typed' },
  { path: '/people', opens: 'Add person', label: 'Name', text: 'Alan Turing' },
]

async function type() {
  for (const { path, opens, label, text } of typed) {
    const t = at(path)
    if (opens) await t.click(opens)
    await t.fill(label, text)
  }
}

async function isStillTyped() {
  for (const { path, label, text } of typed) {
    const field = at(path).page.getByRole('textbox', { name: label, exact: true })
    assert.equal(await field.inputValue(), text, path)
  }
}

const acts = {
  'every page is opened': async () => {
    ada = await Visitor.arrive(browser)
    await stage.secret('the password', password)
    await setUp(ada, await stage.setupLink(), owner)
    await stage.request('connector', 'connector-lab-01')
    await openEvery()
    console.log(`${tabs.length} pages are open`)
  },

  'each is old 20 s after the controller hangs, for 75 s, and heals by itself': async () => {
    const late = await Visitor.arrive(browser, { storageState: signedIn.at(-1) })
    await late.forgetFiles()
    await late.open('/settings')
    await isLive(late.page)
    const slow = tabs.slice(0, 3)
    await Promise.all(slow.map((t) => t.slow()))
    await outage({
      go: stage.freeze,
      meanwhile: async (went, going) => {
        await late.page.getByRole('link', { name: 'Networks', exact: true }).click()
        await noticed(going, most.away)
        await sleep(went + stopped - Date.now())
        await every(tabs, (t) => looksOld(t.page, went))
        await inTurn(tabs, (t) => t.glance(`stopped${t.path.replaceAll('/', '-')}`))
        await late.sees('Opening the page…')
      },
      back: stage.thaw,
    })
    assert.deepEqual(
      reloads(),
      reloaded(() => 0),
    )
    await isHealed(late.page, 'Networks')
    // A request that waited longer than its connection lived is repeated by a reload, once.
    assert.ok(late.loads <= 2, `${late.loads} loads`)
    await late.leave()
    await Promise.all(slow.map((t) => t.slow(false)))
  },

  'each says that the controller was killed, keeps what was typed, and heals by itself': async () => {
    const member = at('/connectors/connector-fra-01')
    await type()
    await outage({
      go: stage.kill,
      meanwhile: async (went, going) => {
        await noticed(going, most.gone)
        await every(tabs, (t) => looksOld(t.page, went))
        await member.click('Revoke')
        await member.sees(/Nothing can be changed until it does/)
        await member.fill('Type connector-fra-01 to confirm', 'connector-fra-01')
        assert.ok(await member.button('Revoke connector').isDisabled())
        await member.page.keyboard.press('Escape')
        await stage.stop('connector-ams-01')
      },
      back: stage.restart,
    })
    assert.deepEqual(
      reloads(),
      reloaded(() => 0),
    )
    await isStillTyped()
    await at('/connectors')
      .page.getByRole('row', { name: /connector-ams-01.*OFFLINE/ })
      .waitFor()
  },

  'each opens by itself a page whose code was not loaded when the controller was killed': async () => {
    await leadElsewhere(stage.restart)
  },

  'after an upgrade each loads itself anew once, unless somebody typed there': async () => {
    const loading = await loadAll()
    await type()
    const token = at('/tunnelers/new')
    await token.fill('Id of the tunneler', 'tunneler-of-an-upgrade')
    await stage.confirmed() // the acts before took more than five minutes
    await token.click('Create token')
    await token.sees('This is not shown again, also not after a reload.')
    const stranger = await Visitor.arrive(browser)
    await stranger.open('/sign-in')
    await stranger.fill('Email', grace(signedIn.length - 1).email)

    const kept = new Set([token, ...typed.map(({ path }) => at(path))])
    const before = await served()
    await outage({
      go: stage.end,
      back: stage.upgrade,
      healed: async (t) => {
        await isLive(t.page)
        if (kept.has(t)) return t.sees('The controller has another version of this dashboard.')
        await t.page.locator(`meta[name=dashboard-build]:not([content="${before}"])`).waitFor({ state: 'attached' })
        await isWell(t)
      },
      loading,
    })
    await sleep(12_000) // every page has asked for something again, and not loaded itself a second time
    assert.notEqual(await served(), before)
    assert.deepEqual(
      reloads(),
      reloaded((t) => (kept.has(t) ? 0 : 1)),
    )
    await isStillTyped()
    await token.sees('This is not shown again, also not after a reload.')

    // The ways on: by the button, with a warning where something is shown once, and by going elsewhere.
    const [form, device] = [at('/connectors/new'), at('/device')]
    await form.click('Reload')
    await isNew(form, 'Add a connector')
    const warned = token.page.waitForEvent('dialog').then((d) => d.accept().then(() => d.type()))
    await token.click('Reload')
    assert.equal(await warned, 'beforeunload')
    await isNew(token)
    await device.page.getByRole('link', { name: 'Settings', exact: true }).click()
    await isNew(device, 'Settings')
    await stranger.fill('Password', password)
    await stranger.click('Sign in')
    await isNew(stranger, 'Overview')
    await stranger.leave()
    for (const t of [form, token, device]) assert.equal(t.loads - t.before, 1, t.path)
  },

  'each opens by itself a page whose code was not loaded before the upgrade': async () => {
    // A page may ask the new controller for a file of the former build before it loads itself anew.
    await leadElsewhere(stage.upgrade, /status of 404 .*\/assets\/[\w-]+\.(js|css)$/)
    for (const t of tabs) assert.equal(await build(t.page), await served())
  },

  'two tabs heal alike, show the same, and end together': async () => {
    await Promise.all([...new Set(tabs.map((t) => t.context))].map((c) => c.close()))
    tabs = []
    const one = await Visitor.arrive(browser)
    await one.open('/sign-in')
    await one.fill('Email', owner.email)
    await one.fill('Password', password)
    await one.click('Sign in')
    await heading(one.page, 'Overview').waitFor()
    const other = await one.tab()
    const both = [one, other]
    const see = (id) => Promise.all(both.map((t) => t.page.getByText(id, { exact: true }).first().waitFor()))
    const create = async (t, id) => {
      await t.click('Create network')
      await t.fill('Id of the network', id)
      await t.click('Create')
      await see(id)
    }
    await Promise.all(both.map((t) => t.open('/networks')))
    await Promise.all(both.map((t) => isLive(t.page)))
    await create(one, 'network-before')
    for (const t of both) t.away = true
    await stage.kill()
    await Promise.all(both.map((t) => isAway(t.page)))
    await stage.restart()
    await Promise.all(both.map((t) => isHealed(t.page, 'Networks')))
    await create(other, 'network-after')
    await one.click(`Account of ${owner.name}`)
    await one.page.getByRole('menuitem', { name: 'Sign out' }).click()
    await Promise.all(both.map((t) => heading(t.page, 'Sign in').waitFor()))
    await one.leave()
  },

  'a slow network paints every page within 2 s': async () => {
    let paint = 0
    let content = 0
    for (const few of chunks(all, 2)) {
      await Promise.all(
        few.map(async (route) => {
          const v = await Visitor.arrive(browser, route.signedIn ? { storageState: signedIn[0] } : {})
          const path = await pathOf(route, v)
          await v.slow()
          await v.page.goto(stage.dashboard + path, { waitUntil: 'commit' })
          const painted = await v.page.waitForFunction(
            () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime,
          )
          const ms = await painted.jsonValue()
          assert.ok(ms < most.paint, `${path} painted after ${ms} ms`)
          await v.page.locator('h1').first().waitFor()
          paint = Math.max(paint, ms)
          content = Math.max(content, await v.page.evaluate(() => performance.now()))
          await v.leave()
        }),
      )
    }
    console.log(`first paint after at most ${Math.round(paint)} ms, the page after ${Math.round(content)} ms`)
  },
}

/** The page is of the build that the controller has now. */
async function isNew(t, title) {
  await t.page.locator(`meta[name=dashboard-build][content="${await served()}"]`).waitFor({ state: 'attached' })
  if (title) await heading(t.page, title).waitFor()
  await isLive(t.page)
}

/** Every tab is led to a page whose code it does not have, while the controller is away. */
async function leadElsewhere(back, gone) {
  const loading = await loadAll()
  const to = elsewhere()
  await outage({
    go: stage.kill,
    meanwhile: async () => {
      await every(tabs, (t) => visit(t.page, to.get(t).path))
      await every(tabs, (t) => t.sees('This page is not loaded yet'))
    },
    back,
    healed: (t) => isHealed(t.page, to.get(t).title),
    loading,
    gone,
  })
  assert.deepEqual(
    reloads(),
    reloaded(() => 1),
  )
}

await perform('every page', acts, async (path) => {
  for (const [i, t] of (tabs ?? [ada]).entries()) await t.page.screenshot({ path: `${path}-${i}.png` })
})
after(() => browser.close())
