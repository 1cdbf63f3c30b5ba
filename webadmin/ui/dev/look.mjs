// Looks at every page of the build against dev/world.mjs: screenshots in light,
// dark and at 390 px, axe on each, and what the browser complained of.
//   npm run build && npm run look -- DIR [name...]
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { makeWorld, serve } from './world.mjs'

const [out = mkdtempSync(join(tmpdir(), 'look-')), ...only] = process.argv.slice(2)
mkdirSync(out, { recursive: true })
const axe = readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8')

const signedOut = (w) => {
  w.signedIn = false
}
const click = (name) => async (p) => p.getByRole('button', { name, exact: true }).first().click()

/** [name, path, prepare the world, act on the page, empty world] */
const scenes = [
  [
    'setup',
    '/setup#abcd',
    (w) => {
      w.signedIn = false
      w.setup = true
    },
  ],
  ['sign-in', '/sign-in', signedOut],
  [
    'sign-in-wrong',
    '/sign-in',
    signedOut,
    async (p) => {
      await p.getByLabel('Email').fill('ada@corp.example')
      await p.getByRole('textbox', { name: 'Password' }).fill('wrong')
      await p.getByRole('button', { name: 'Sign in', exact: true }).click()
      await p.getByRole('alert').waitFor()
    },
  ],
  ['claim', '/claim#abcd', signedOut],
  ['claim-shown', '/claim#abcd', signedOut, click('Show the token')],
  ['overview', '/'],
  ['overview-few', '/', null, null, { members: 6 }],
  ['overview-empty', '/', null, null, true],
  ['connectors', '/connectors'],
  ['connectors-empty', '/connectors', null, null, true],
  ['connectors-none', '/connectors?q=nothing-like-it'],
  ['connector', '/connectors/connector-fra-0001'],
  ['connector-contested', '/connectors/connector-nyc-0001'],
  ['connector-cloned', '/connectors/connector-sfo-0001'],
  ['connector-revoke', '/connectors/connector-fra-0001', null, click('Revoke')],
  ['connector-unknown', '/connectors/nobody'],
  ['connector-new', '/connectors/new'],
  [
    'connector-created',
    '/connectors/new',
    null,
    async (p) => {
      await p.getByLabel(/Id of the connector/).fill('connector-fra-9999')
      await p.getByRole('button', { name: 'Create token' }).click()
      await p.getByText('Run this on the host').waitFor()
    },
  ],
  [
    'connector-online',
    '/connectors/new',
    null,
    async (p) => {
      await p.getByLabel(/Id of the connector/).fill('connector-fra-9998')
      await p.getByRole('button', { name: 'Create token' }).click()
      await p.getByRole('link', { name: 'Open connector-fra-9998' }).waitFor({ timeout: 20_000 })
    },
  ],
  [
    'step-up',
    '/connectors/new',
    (w) => {
      w.steppedUp = 0
    },
    async (p) => {
      await p.getByLabel(/Id of the connector/).fill('connector-fra-9997')
      await p.getByRole('button', { name: 'Create token' }).click()
      await p.getByRole('dialog', { name: 'Confirm that it is you' }).waitFor()
    },
  ],
  ['tunnelers', '/tunnelers'],
  ['tunneler', '/tunnelers/tunneler-00001'],
  ['tunneler-new', '/tunnelers/new'],
  ['hosts', '/hosts'],
  ['host', '/hosts/host-000002'],
  ['networks', '/networks'],
  ['tokens', '/tokens'],
  ['token', '/tokens/tok_0000k3n9f2'],
  ['requests', '/requests'],
  ['requests-approve', '/requests', null, click('Approve connector-lab-01')],
  ['requests-empty', '/requests', null, null, true],
  ['ca', '/ca'],
  ['ca-wizard', '/ca', null, click('Rotate…')],
  [
    'ca-preview',
    '/ca',
    null,
    async (p) => {
      await click('Rotate…')(p)
      await click('Preview')(p)
      await p.getByText('Start rotation').waitFor()
    },
  ],
  ['ca-rotating', '/ca', (w) => w.rotate()],
  ['ca-replacing', '/ca', (w) => w.replace()],
  [
    'ca-replace',
    '/ca',
    null,
    async (p) => {
      await click('Replace…')(p)
      await p.getByText('Start replacement').waitFor()
    },
  ],
  ['audit', '/audit'],
  [
    'audit-entry',
    '/audit',
    null,
    async (p) =>
      p
        .getByRole('button', { name: /^Details of/ })
        .first()
        .click(),
  ],
  ['people', '/people'],
  ['people-add', '/people', null, click('Add person')],
  [
    'people-remove',
    '/people',
    null,
    async (p) => {
      await p
        .getByRole('button', { name: /^Actions for/ })
        .nth(1)
        .click()
      await p.getByRole('menuitem', { name: 'Remove…' }).click()
      await p.getByRole('checkbox').waitFor()
    },
  ],
  ['keys', '/keys'],
  ['keys-new', '/keys', null, click('Create key')],
  ['device', '/device'],
  ...[
    ['device-decide', 'BCDF-GHJK'],
    ['device-elsewhere', 'FFFF-FFFF'],
    ['device-wrong', 'BBBB-BBBB'],
  ].map(([name, code]) => [
    name,
    '/device',
    null,
    async (p) => {
      await p.getByRole('textbox', { name: 'Code that the command line shows' }).fill(code)
      await click('Continue')(p)
      await p.getByRole('alert').waitFor()
    },
  ]),
  ['account', '/account'],
  [
    'account-totp',
    '/account',
    (w) => {
      w.people[0].totp = false
    },
    async (p) => {
      await click('Set up authenticator')(p)
      await p.getByRole('img', { name: /QR code/ }).waitFor()
    },
  ],
  ['settings', '/settings'],
  [
    'shortcuts',
    '/',
    null,
    async (p) => {
      await p.keyboard.press('?')
      await p.getByRole('dialog').waitFor()
    },
  ],
  [
    'polling',
    '/',
    (w) => {
      w.deaf = true
    },
  ],
  ['not-found', '/no/such/page'],
]

const looks = [
  ['dark', { colorScheme: 'dark', viewport: { width: 1360, height: 850 } }],
  ['light', { colorScheme: 'light', viewport: { width: 1360, height: 850 } }],
  ['phone', { colorScheme: 'light', viewport: { width: 390, height: 844 }, isMobile: true, deviceScaleFactor: 2 }],
]

const browser = await chromium.launch({
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
let faults = 0

async function look(look, options, [name, path, prepare, act, size]) {
  const w = makeWorld(size === true ? { empty: true } : size)
  prepare?.(w)
  const { url, close } = await serve(w, 0)
  const context = await browser.newContext({ ...options, reducedMotion: 'reduce' })
  const page = await context.newPage()
  const complain = (what) => {
    faults++
    console.log(`${name} ${look}: ${what}`)
  }
  page.on(
    'console',
    (m) =>
      m.type() === 'error' &&
      !/status of 40[0-9]/.test(m.text()) &&
      complain(`console: ${m.text().slice(0, 300).split('\n')[0]}`),
  )
  page.on('pageerror', (e) => complain(`page: ${e}`))
  page.on(
    'request',
    (r) => r.url().startsWith(url) || r.url().startsWith('data:') || complain(`foreign request: ${r.url()}`),
  )
  try {
    await page.goto(url + path)
    await page.locator('h1').first().waitFor()
    await page.waitForTimeout(600)
    await act?.(page)
    await page.waitForTimeout(500)
    await page.screenshot({ path: join(out, `${name}-${look}.png`), fullPage: !act })
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    if (wide > 0) complain(`${wide} px wider than the window`)
    await page.evaluate(axe)
    const { violations } = await page.evaluate(() => window.axe.run())
    for (const v of violations) {
      const grave = v.impact === 'serious' || v.impact === 'critical'
      const where = v.nodes
        .slice(0, 3)
        .map((n) => n.html.slice(0, 140))
        .join(' | ')
      if (grave) complain(`axe ${v.impact} ${v.id} x${v.nodes.length}: ${v.help}: ${where}`)
      else console.log(`${name} ${look}: (axe ${v.impact} ${v.id}: ${where})`)
    }
  } catch (err) {
    complain(String(err).split('\n')[0])
  }
  await context.close()
  close()
}

const work = scenes.filter(([name]) => !only.length || only.includes(name)).flatMap((s) => looks.map((l) => [...l, s]))
await Promise.all(
  [1, 2, 3].map(async () => {
    for (let job = work.shift(); job; job = work.shift()) await look(...job)
  }),
)
await browser.close()
console.log(`${faults} faults; pictures in ${out}`)
process.exit(faults ? 1 : 0)
