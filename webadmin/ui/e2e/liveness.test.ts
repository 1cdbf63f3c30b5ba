// "Live" is never said of what is old: whatever stands between the page and the controller,
// and however wrong the browser's clock is.
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, type ExpectStatic, test } from 'vitest'
import { Gallery, type Onlooker } from '../dev/browser'
import type { Scene } from '../dev/scenes'
import type { World } from '../dev/world'

let gallery: Gallery
beforeAll(async () => {
  gallery = await Gallery.open()
})
afterAll(() => gallery.close())

const minute = 60_000
const day = 24 * 60 * minute

type Look = Partial<Scene> & { path: string; clock?: number }

/** A test of a page whose clock it moves. */
function watch(name: string, scene: Look, act: (v: Onlooker, expect: ExpectStatic) => Promise<void>) {
  test.concurrent(name, async ({ expect }) => {
    const v = await gallery.alone(scene)
    try {
      await v.page.clock.install({ time: Date.now() + (scene.clock ?? 0) })
      await v.enter()
      await act(v, expect)
      // A stream that is cut is said on the console too.
      expect(v.faults.filter((f) => !/ERR_INCOMPLETE_CHUNKED_ENCODING/.test(f))).toEqual([])
    } finally {
      await v.leaveAlone()
    }
  })
}

const updates = (p: Page, state: string) => p.getByRole('status', { name: `Updates: ${state}` })
const isLive = (p: Page) => updates(p, 'Live').waitFor()
const online = (p: Page) => p.locator('section[aria-label=Connectors] .numbers').first()
const isOld = (p: Page) => p.locator('html[data-stale]').waitFor({ state: 'attached' })

/** A connector goes, and no page receives an event of it. */
function goes(w: World) {
  const c = w.connectors.find((c) => c.status === 'ONLINE')
  if (!c) throw new Error('no connector')
  c.status = 'OFFLINE'
  return String(w.connectors.filter((c) => c.status === 'ONLINE').length)
}

const hide = (p: Page, state: 'hidden' | 'visible') =>
  p.evaluate((s) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => s })
    document.dispatchEvent(new Event('visibilitychange'))
  }, state)

describe('between the page and the controller', () => {
  watch('an event before the stream is open is not lost', { path: '/' }, async (v, expect) => {
    const { page, w } = v
    let open: () => void = () => {}
    const opened = new Promise<void>((resolve) => {
      open = resolve
    })
    await page.route(/\/api\/admin\/events/, async (route) => {
      await opened
      await route.continue()
    })
    await page.reload()
    await online(page).waitFor()
    const left = goes(w)
    w.emit('connector', 'one')
    expect((await online(page).innerText()).includes(left)).toBe(false)
    open()
    await expect.poll(() => online(page).innerText()).toContain(left)
    await isLive(page)
  })

  watch('a stream whose packets are dropped is not live', { path: '/' }, async (v, expect) => {
    const { page, w } = v
    await isLive(page)
    w.mute = true
    const left = goes(w)
    w.emit('connector', 'one')
    await page.clock.fastForward(21_000)
    await updates(page, 'Live').waitFor({ state: 'detached' })
    await updates(page, 'Every 10 s').waitFor()
    await expect.poll(() => online(page).innerText()).toContain(left)
    w.mute = false
    await page.clock.fastForward(21_000)
    await page.clock.fastForward(6_000)
    await isLive(page)
  })

  watch('a proxy that collects the stream is said', { path: '/', world: (w) => void (w.mute = true) }, async (v) => {
    await updates(v.page, 'Connecting').waitFor()
    await v.page.clock.fastForward(21_000)
    await updates(v.page, 'Every 10 s').waitFor()
    await v.page.clock.fastForward(21_000)
    await updates(v.page, 'Every 10 s').waitFor()
  })

  watch('what was read before a loss is old until it was read again', { path: '/' }, async (v, expect) => {
    const { page, w } = v
    await isLive(page)
    let answer: () => void = () => {}
    w.hold = new Promise((resolve) => {
      answer = resolve
    })
    const left = goes(w)
    w.cut()
    await updates(page, 'Live').waitFor({ state: 'detached' })
    await isOld(page)
    await page.clock.fastForward(1_500) // the next attempt, which succeeds
    await updates(page, 'Updating').waitFor()
    await isOld(page)
    answer()
    await isLive(page)
    await expect.poll(() => online(page).innerText()).toContain(left)
    expect(await page.locator('html[data-stale]').count()).toBe(0)
  })

  watch('a session that ends meanwhile leads to the sign-in page', { path: '/tokens?status=pending' }, async (v) => {
    await isLive(v.page)
    v.w.signedIn = false
    v.w.cut()
    await v.page.clock.fastForward(6_000)
    await v.page.waitForURL(/\/sign-in\?return_to=%2Ftokens%3Fstatus%3Dpending/)
  })

  watch('positions that go back, as after a restore, read everything', { path: '/' }, async (v, expect) => {
    const { page, w } = v
    w.emit('token', 'one')
    await page.route(/\/api\/admin\/events/, async (route) => {
      w.sent.length = 0
      await route.continue()
    })
    await page.reload()
    await online(page).waitFor()
    const left = goes(w)
    await isLive(page)
    w.cut()
    await page.clock.fastForward(1_500)
    await isLive(page)
    await expect.poll(() => online(page).innerText()).toContain(left)
  })
})

describe('the clock of the browser', () => {
  for (const [name, clock] of [
    ['a day late', -day],
    ['a day early', day],
  ] as const) {
    watch(`is ${name}`, { path: '/connectors', clock }, async (v, expect) => {
      await isLive(v.page)
      const seen = v.page
        .getByRole('row', { name: /ONLINE/ })
        .first()
        .getByRole('cell')
        .filter({ hasText: / ago$|^now$/ })
        .first()
      await v.page.clock.runFor(2_000)
      await expect.poll(() => seen.innerText()).toMatch(/^(now|\d+ s ago)$/)
    })
  }

  watch('is set back while nothing comes', { path: '/' }, async (v) => {
    await isLive(v.page)
    v.w.mute = true
    await v.page.clock.setSystemTime(Date.now() - day)
    await v.page.clock.runFor(21_000)
    await updates(v.page, 'Live').waitFor({ state: 'detached' })
  })
})

describe('a tab', () => {
  watch('that was hidden for ten minutes is not live before it was read again', { path: '/' }, async (v, expect) => {
    const { page, w } = v
    await isLive(page)
    await hide(page, 'hidden')
    await page.clock.fastForward(10 * minute)
    await expect.poll(() => w.streams.size).toBe(0)
    let answer: () => void = () => {}
    w.hold = new Promise((resolve) => {
      answer = resolve
    })
    const left = goes(w)
    await hide(page, 'visible')
    await updates(page, 'Updating').waitFor()
    await isOld(page)
    answer()
    await isLive(page)
    await expect.poll(() => online(page).innerText()).toContain(left)
  })
})
