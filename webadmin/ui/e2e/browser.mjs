import assert from 'node:assert/strict'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { dashboard, issuer } from './stage.mjs'

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
 * A person at a browser. Whatever the browser complains of (errors, refusals by the
 * content security policy, requests to other places) is a fault, which look finds.
 */
export class Visitor {
  faults = []

  static async arrive(browser, options = {}) {
    const v = new Visitor()
    v.context = await browser.newContext({ viewport: wide, colorScheme: 'dark', reducedMotion: 'reduce', ...options })
    v.context.setDefaultTimeout(Number(process.env.PATIENCE ?? 60_000))
    v.page = await v.context.newPage()
    v.page.on('console', (m) => {
      const ours = m.location().url.startsWith(dashboard)
      if (ours && m.type() === 'error' && !expected(m)) v.faults.push(`console: ${m.text()} ${m.location().url}`)
    })
    v.page.on('pageerror', (e) => v.faults.push(`error: ${e}`))
    v.page.on('request', (r) => {
      const known = [dashboard, issuer, 'data:', 'blob:'].some((o) => r.url().startsWith(o))
      if (!known && r.frame().url().startsWith(dashboard)) v.faults.push(`foreign request: ${r.url()}`)
    })
    return v
  }

  leave = () => this.context.close()

  open = async (path) => {
    await this.page.goto(path.startsWith('http') ? path : dashboard + path)
    await this.page.locator('h1').first().waitFor()
  }

  button = (name) => this.page.getByRole('button', { name, exact: true })
  click = (name) => this.button(name).first().click()
  fill = (label, value) => this.page.getByRole('textbox', { name: label, exact: true }).fill(value)
  sees = (text) => this.page.getByText(text).first().waitFor()

  /** Nothing the browser or axe complains of; with a picture of what there is. */
  async look(name, { small = false, full = false, large = false } = {}) {
    const { page } = this
    await page.evaluate(() => document.fonts.ready)
    await this.#judge(`${name} dark`)
    if (pictures) await this.#picture(`${name}-dark`, full)
    await this.#paint('light')
    await this.#judge(`${name} light`)
    if (pictures) await this.#picture(`${name}-light`, full)
    if (small) await this.#narrow(`${name}-phone`, phone, full)
    if (large) await this.#narrow(`${name}-zoomed`, zoomed, full)
    await this.#paint('dark')
    assert.deepEqual(this.faults, [], name)
  }

  async #narrow(name, size, full) {
    const { page } = this
    await page.setViewportSize(size)
    await this.#judge(`${name}, ${size.width} px`)
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    assert.ok(over <= 0, `${name} is ${over} px wider than its window`)
    if (pictures) await this.#picture(name, full)
    await page.setViewportSize(wide)
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
