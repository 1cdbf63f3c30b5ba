import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { dashboard, issuer } from './stage.mjs'
import { recordUpdates } from './updates.mjs'

const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')
const pictures = process.env.PICTURES
if (pictures) mkdirSync(pictures, { recursive: true })

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-sync',
    ],
  })

const wide = { width: 1280, height: 800 }
const phone = { width: 390, height: 844 }
const zoomed = { width: 640, height: 400 } // a window of 1280 by 800 at 200 %

/**
 * Replies that the page expects, that the browser reports: a visitor who is not signed in
 * asks for the session, proves it wrongly or for the first time, is asked to prove it again,
 * comes second with a claim link, opens a ninth page at once (a person has eight event streams).
 */
const expected = (m) =>
  (/status of 40[13]/.test(m.text()) && /\/(session|tokens)$/.test(m.location().url)) ||
  (/status of 4(09|22|00|03)/.test(m.text()) && /\/approve$/.test(m.location().url)) ||
  (/status of 40[34]/.test(m.text()) && /\/(claims|device)\//.test(m.location().url)) ||
  (/status of 429/.test(m.text()) && /\/events$/.test(m.location().url))

/**
 * Requests get no answer while the controller is away, and the browser reports each. An
 * upgraded controller has other names for the code of the pages.
 */
const unanswered = (m) =>
  /net::ERR_(CONNECTION|INCOMPLETE|EMPTY|NETWORK|SOCKET)/.test(m.text()) ||
  (/status of 404/.test(m.text()) && /\/assets\//.test(m.location().url))

/**
 * A person at a page. Whatever the browser complains of (errors, refusals by the
 * content security policy, requests to other places) is a fault, which look finds.
 */
export class Visitor {
  faults = []
  /** How many documents the page has loaded. */
  loads = 0
  /** The controller is away. */
  away = false

  constructor(context, page) {
    this.context = context
    this.page = page
    page.on('domcontentloaded', () => this.loads++)
    page.on('console', (m) => {
      const ours = m.location().url.startsWith(dashboard)
      if (!ours || m.type() !== 'error' || expected(m) || (this.away && unanswered(m))) return
      this.faults.push(`console: ${m.text()} ${m.location().url}`)
    })
    page.on('pageerror', (e) => this.faults.push(`error: ${e}`))
    page.on('request', (r) => {
      const known = [dashboard, issuer, 'data:', 'blob:'].some((o) => o && r.url().startsWith(o))
      if (!known && r.frame().url().startsWith(dashboard)) this.faults.push(`foreign request: ${r.url()}`)
    })
  }

  static async arrive(browser, options = {}) {
    const context = await browser.newContext({
      viewport: wide,
      colorScheme: 'dark',
      reducedMotion: 'reduce',
      ...options,
    })
    context.setDefaultTimeout(Number(process.env.PATIENCE ?? 60_000))
    await context.addInitScript(recordUpdates)
    return new Visitor(context, await context.newPage())
  }

  /** Another tab of the same browser. */
  tab = async () => new Visitor(this.context, await this.context.newPage())

  leave = () => this.context.close()

  open = async (path) => {
    await this.page.goto(path.startsWith('http') ? path : dashboard + path)
    await this.page.locator('h1').first().waitFor()
  }

  button = (name) => this.page.getByRole('button', { name, exact: true })
  click = (name) => this.button(name).first().click()
  fill = (label, value) => this.page.getByRole('textbox', { name: label, exact: true }).fill(value)
  sees = (text) => this.page.getByText(text).first().waitFor()

  /** From now on the network of the page is slow; with false it is not any more. */
  slow = async (on = true) => {
    const cdp = await this.context.newCDPSession(this.page)
    await cdp.send('Network.enable')
    const bytes = on ? 50 * 1024 : -1 // a second
    await cdp.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: on ? 40 : 0,
      downloadThroughput: bytes,
      uploadThroughput: bytes,
    })
    return cdp
  }

  /** From now on the page keeps no file that it has loaded, as a browser that was never here. */
  forgetFiles = async () => {
    const cdp = await this.context.newCDPSession(this.page)
    await cdp.send('Network.enable')
    await cdp.send('Network.setCacheDisabled', { cacheDisabled: true })
  }

  /** The page is not wider than a window at 200 %, nor than a phone; with a picture there. */
  async fits(name) {
    for (const size of [zoomed, phone]) {
      await this.page.setViewportSize(size)
      await this.#within(size)
    }
    if (pictures && name) await this.#picture(`${name}-phone`)
    await this.page.setViewportSize(wide)
  }

  /** Axe, widths and pictures of the page in the colours that it has. */
  async glance(name) {
    await this.#judge(name)
    if (pictures) await this.#picture(name)
    await this.fits(name)
  }

  /** Nothing the browser or axe complains of; with a picture of what there is. */
  async look(name, { small = false, full = false } = {}) {
    const { page } = this
    await page.evaluate(() => document.fonts.ready)
    await this.#judge(`${name} dark`)
    if (pictures) await this.#picture(`${name}-dark`, full)
    await this.#paint('light')
    await this.#judge(`${name} light`)
    if (pictures) await this.#picture(`${name}-light`, full)
    if (small) await this.#narrow(`${name}-phone`, phone, full)
    await this.#paint('dark')
    assert.deepEqual(this.faults, [], name)
  }

  async #narrow(name, size, full) {
    const { page } = this
    await page.setViewportSize(size)
    await this.#judge(`${name}, ${size.width} px`)
    await this.#within(size)
    if (pictures) await this.#picture(name, full)
    await page.setViewportSize(wide)
  }

  async #within({ width }) {
    const measure = () =>
      this.page.evaluate(() => ({
        over: document.documentElement.scrollWidth - window.innerWidth,
        url: window.location.pathname,
        wide: [...document.querySelectorAll('main *')]
          .filter((e) => e.getBoundingClientRect().right > window.innerWidth)
          .map((e) => `${e.tagName} ${e.getAttribute('class') ?? ''}`)
          .slice(0, 8),
      }))
    let seen = await measure()
    // A picture measures its place after the window has another width, and is then drawn anew.
    for (const late = Date.now() + 2_000; seen.over > 0 && Date.now() < late;) {
      await setTimeout(50)
      seen = await measure()
    }
    const { over, url, wide } = seen
    assert.ok(over <= 0, `${url} is ${over} px wider than a window of ${width} px: ${wide.join(', ')}`)
  }

  async #paint(colorScheme) {
    await this.page.emulateMedia({ colorScheme })
    await this.page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor()
  }

  async #judge(what) {
    // A colour that is on its way to another one is neither.
    const arrived = () =>
      Promise.allSettled(document.getAnimations().flatMap((a) => (a instanceof CSSTransition ? [a.finished] : [])))
    await this.page.evaluate(arrived)
    await this.page.evaluate(axe)
    const { violations } = await this.page.evaluate(() => window.axe.run())
    const grave = violations
      .filter((v) => v.impact === 'serious' || v.impact === 'critical')
      .map(
        (v) =>
          `${v.id}: ${v.help}: ${v.nodes
            .slice(0, 3)
            .map((n) => n.html.slice(0, 160))
            .join(' | ')}`,
      )
    assert.deepEqual(grave, [], `axe on ${what}`)
  }

  async #picture(name, full) {
    const size = this.page.viewportSize()
    // The frame is as high as the window, so all of a page needs a higher one.
    const height = full ? await this.page.evaluate(() => document.documentElement.scrollHeight) : size.height
    if (height !== size.height) await this.page.setViewportSize({ ...size, height })
    await this.page.screenshot({ path: join(pictures, `${name}.png`), animations: 'disabled', caret: 'hide' })
    if (height !== size.height) await this.page.setViewportSize(size)
  }
}
