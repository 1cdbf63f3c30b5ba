// Whether a page says that it follows the controller, and whether it looks like it.
import assert from 'node:assert/strict'

export const heading = (page, name) => page.getByRole('heading', { level: 1, name, exact: true })

const updates = (page, state) =>
  page.getByRole('status', { name: state ? new RegExp(`^Updates: ${state}`) : /^Updates: (Live|Every 10 s)$/ })

export const isLive = (page) => updates(page, 'Live').waitFor()
/** A person has eight event streams: further pages ask every 10 s. */
export const isWell = (page) => updates(page, null).waitFor()
export const isAway = (page) => updates(page, 'Reconnecting').waitFor()

/** Runs in each page, before its own code: notes what it says of its updates, and when. */
export function recordUpdates() {
  const said = (window.said = [])
  const look = () => {
    const label = document.querySelector('[role=status][aria-label^="Updates: "]')?.getAttribute('aria-label')
    const state = label?.match(/^Updates: ([^,]+)/)[1]
    if (state && state !== said.at(-1)?.state) said.push({ state, at: Date.now() })
  }
  new window.MutationObserver(look).observe(document, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ['aria-label'],
  })
}

/** When the page began to say so, after a time; in ms of the clock that it and we have. */
export async function saidAt(page, state, after) {
  const said = await page.evaluate(() => window.said)
  return said.filter((s) => s.state === state && s.at > after).map((s) => s.at)
}

/** The page is current again, and nothing of the outage is left. */
export async function isHealed(page, name) {
  await isLive(page)
  await heading(page, name).waitFor()
  await page.getByText('No answer').first().waitFor({ state: 'detached' })
  await page.locator('html[data-stale]').waitFor({ state: 'detached' })
  assert.equal(await page.getByText(/as of \d\d:\d\d:\d\d/).count(), 0, name)
}

/** The time that a page is of, in ms; it says the time of day. */
async function asOf(page) {
  const text = await page
    .locator('.notices')
    .getByText(/What this page shows is as of \d\d:\d\d:\d\d/)
    .textContent()
  const [h, m, s] = text.match(/(\d\d):(\d\d):(\d\d)/).slice(1)
  const today = new Date().setHours(h, m, s, 0)
  return today > Date.now() ? today - 24 * 3_600_000 : today
}

/** Something arrives every 5 s, and the time is shown to the second. */
const tick = 6_000

/** The page says since when it is old, shows its numbers so, and nothing on it looks well. */
export async function looksOld(page, since) {
  const of = await asOf(page)
  assert.ok(of <= since && of > since - tick, `as of ${new Date(of)}, but the controller stopped at ${new Date(since)}`)
  assert.deepEqual(await page.evaluate(looksWell), [])
}

/** In the page: what has the colour of a good state, and numbers that are not grey. */
function looksWell() {
  const rgb = (name) => {
    const probe = document.createElement('span')
    probe.style.color = `var(${name})`
    document.body.append(probe)
    const { color } = getComputedStyle(probe)
    probe.remove()
    return color
  }
  const [good, quiet] = [rgb('--good'), rgb('--quiet')]
  const ancestors = (el) => (el ? [el, ...ancestors(el.parentElement)] : [])
  const grey = (el) => ancestors(el).some((e) => getComputedStyle(e).filter === 'grayscale(1)')
  const found = []
  for (const el of document.body.querySelectorAll('*')) {
    const style = getComputedStyle(el)
    if (!el.getClientRects().length || style.visibility === 'hidden' || el.closest('.notices')) continue
    const colours = [style.color, style.backgroundColor, style.fill, style.stroke, style.borderTopColor]
    if (colours.includes(good) && !grey(el)) found.push(`well: ${el.outerHTML.slice(0, 160)}`)
    if (el.matches('#main :is(.numbers, td, dd)') && style.color !== quiet)
      found.push(`not grey: ${el.outerHTML.slice(0, 160)}`)
  }
  return found
}
