// A browser that looks at a world, for pictures and for the tests of pages.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type Axe from 'axe-core'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import type { Scene } from './scenes'
import { serve } from './serve'
import { World } from './world'

const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })

/** Axe's own, and tooltips: each describes a button that is in a landmark. */
const landmarks = 'dialog, [role=dialog], [role=alertdialog], svg, [role=tooltip]'

function configure(regionMatcher: string) {
  const { axe } = window as unknown as { axe: typeof Axe }
  axe.configure({ checks: [{ id: 'region', options: { regionMatcher } }] })
}

const wide = { width: 1280, height: 800 }

type Look = Pick<Scene, 'path' | 'size' | 'world' | 'act' | 'opener' | 'dialog' | 'reports'>

const header = 'x-world'

/** A browser, and one server for all worlds that it looks at, so that it keeps the files of the dashboard. */
export class Gallery {
  private readonly worlds = new Map<string, World>()
  private last = 0

  private constructor(
    private readonly browser: Browser,
    private readonly context: BrowserContext,
    readonly url: string,
    private readonly stop: () => void,
  ) {}

  static async open(options: BrowserContextOptions = {}) {
    const browser = await launch()
    const known = { worlds: new Map<string, World>() }
    const { url, close } = await serve((req) => known.worlds.get(String(req.headers[header])) ?? new World())
    const context = await browser.newContext({ viewport: wide, ...usual, ...options })
    context.setDefaultTimeout(patience)
    const g = new Gallery(browser, context, url, close)
    known.worlds = g.worlds
    return g
  }

  /** Somebody at a browser of their own, whose clock is not that of others. */
  async alone(scene: Look): Promise<Onlooker> {
    const context = await this.browser.newContext({ viewport: wide, ...usual })
    context.setDefaultTimeout(patience)
    return this.visit(scene, context)
  }

  /** Somebody who looks at one scene of a world of their own. */
  async visit(scene: Look, context = this.context): Promise<Onlooker> {
    const w = new World({ members: 240, ...scene.size })
    scene.world?.(w)
    const name = String(++this.last)
    this.worlds.set(name, w)
    const page = await context.newPage()
    await page.setExtraHTTPHeaders({ [header]: name })
    return new Onlooker(page, w, this.url, scene)
  }

  async close() {
    await this.browser.close()
    this.stop()
  }
}

const usual = { colorScheme: 'dark', reducedMotion: 'reduce', locale: 'en-US', timezoneId: 'Europe/Berlin' } as const
// A machine may have much else to do.
const patience = Number(process.env.PATIENCE ?? 30_000)

/** Somebody at a page. Whatever the browser complains of is a fault. */
export class Onlooker {
  readonly faults: string[] = []

  constructor(
    readonly page: Page,
    readonly w: World,
    readonly url: string,
    private readonly scene: Look,
  ) {
    page.on('console', (m) => {
      if (m.type() === 'error' && !/status of [45]\d\d/.test(m.text()) && !scene.reports?.test(m.text()))
        this.faults.push(`console: ${m.text().slice(0, 300)}`)
    })
    page.on('pageerror', (e) => this.faults.push(`error: ${e}`))
    page.on('request', (r) => {
      if (!r.url().startsWith(url) && !r.url().startsWith('data:')) this.faults.push(`foreign request: ${r.url()}`)
    })
  }

  /** Opens the page and does what the scene says. */
  async enter() {
    await this.page.goto(this.url + this.scene.path)
    await this.page.locator('h1').first().waitFor()
    await this.settled()
    if (this.scene.act) await this.scene.act(this.page, this.w)
    else if (this.scene.opener) await this.button(this.scene.opener).press('Enter')
    if (this.scene.dialog) await this.page.getByRole('dialog', { name: this.scene.dialog }).waitFor()
    await this.page.evaluate(() => document.fonts.ready)
  }

  /** Waits until everything that the page asked for is there. */
  settled = () => this.page.waitForFunction(() => !document.querySelector('[aria-busy=true]'))

  /** Fails if axe, the browser or the width complains; axe looks at colours alone if nothing else has changed, and at one element if it is named. */
  async judge(what: 'everything' | 'colours' = 'everything', element = this.page.locator('html')) {
    const arrived = () =>
      Promise.allSettled(document.getAnimations().flatMap((a) => (a instanceof CSSTransition ? [a.finished] : [])))
    await this.page.evaluate(arrived)
    if (!(await this.page.evaluate(() => 'axe' in window))) {
      await this.page.evaluate(axe)
      await this.page.evaluate(configure, landmarks)
    }
    const runOnly = what === 'colours' ? ['color-contrast'] : undefined
    const found = await element.evaluate(async (root, only) => {
      const { axe } = window as unknown as { axe: typeof Axe }
      const { violations } = await axe.run(root, only ? { runOnly: only } : {})
      return violations.map((v) => `axe ${v.impact} ${v.id}: ${v.help}: ${v.nodes[0]?.html.slice(0, 200)}`)
    }, runOnly)
    const over = await this.over()
    if (over) found.push(`it is ${over} px wider than the window`)
    const all = [...found, ...this.faults]
    if (all.length) throw new Error(all.join('\n'))
  }

  /** Turns the page light or dark. */
  async paint(colorScheme: 'light' | 'dark') {
    await this.page.emulateMedia({ colorScheme })
    await this.page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor()
  }

  /** By how many px something has to be scrolled sideways. */
  over = () =>
    this.page.evaluate(() => {
      const wider = (e: Element) => Math.max(0, e.scrollWidth - e.clientWidth)
      const boxes = [...document.querySelectorAll('.grid-scroll, [role=dialog]')]
      return Math.max(document.documentElement.scrollWidth - window.innerWidth, 0, ...boxes.map(wider))
    })

  button = (name: string) => this.page.getByRole('button', { name, exact: true }).first()

  leave = () => this.page.close()

  /** Leaves, with the browser. */
  leaveAlone = () => this.page.context().close()
}
