// One story on one controller, of people at a browser. It is started by
// internal/e2e/dashboard, which has the controller, SPIRE and the hosts.
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { Authenticator } from './authenticator.mjs'
import { launch, Visitor } from './browser.mjs'
import { outage, withoutHosts } from './outage.mjs'
import * as stage from './stage.mjs'
import { perform } from './story.mjs'

const owner = { name: 'Ada Lovelace', email: 'ada@mycorp.internal', password: 'a long sentence, not a riddle' }
const most = { live: 1000, asked: 12 } // ms, requests of the Overview

const browser = await launch()
let ada, grace, authenticator

async function signIn(v, code) {
  await v.open('/sign-in')
  await v.fill('Email', owner.email)
  await v.fill('Password', owner.password)
  await v.click('Sign in')
  if (code) {
    await v.fill('Code', await code())
    await v.click('Sign in')
  }
  await v.page.getByRole('heading', { name: 'Overview' }).waitFor()
}

async function signOut(v) {
  await v.click(`Account of ${owner.name}`)
  await v.page.getByRole('menuitem', { name: 'Sign out' }).click()
  await v.page.getByRole('heading', { name: 'Sign in' }).waitFor()
}

/** Creates a token on the page and returns it, as it is shown beside the command. */
async function createToken(v, kind, id, meanwhile) {
  await v.open(`/${kind}s/new`)
  await v.fill(`Id of the ${kind}`, id)
  await v.click('Create token')
  await meanwhile?.()
  await v.sees('Run this on the host')
  await v.sees('Waiting for the host')
  await v.sees('The command asks for the token.')
  return (await v.page.locator('section[aria-label="token"] pre').textContent()).trim()
}

/** Enrolls a host while the page is open; how long after the API the page said ONLINE, in ms. */
async function watchEnrolling(v, kind, id, token) {
  const open = `Open ${id}`
  // The page's own clock, at the first frame that has it.
  const shown = v.page.evaluate(
    (name) =>
      new Promise((resolve) => {
        const look = () =>
          [...document.links].some((a) => a.textContent === name) ? resolve(Date.now()) : requestAnimationFrame(look)
        look()
      }),
    open,
  )
  await stage.enroll(kind, id, token)
  await v.sees('The host presented the token')
  const [known, seen] = await Promise.all([stage.online(id), shown])
  return seen - known
}

/** Signs in at the identity provider, which then leads back. */
async function signInAtProvider(page, login = 'grace') {
  await page.locator('[name=login]').fill(login)
  await page.locator('[name=password]').fill('any')
  await page.locator('[type=submit]').click()
  const consent = page.locator('form:has([name=prompt][value=consent]) [type=submit]') // the first time only
  await consent.or(page.locator('#main h1, main.enter h1')).first().waitFor()
  if (await consent.isVisible()) await consent.click()
}

const acts = {
  'the first owner is set up by the one-time link': async () => {
    ada = await Visitor.arrive(browser)
    await stage.secret('the password', owner.password)
    await ada.open(await stage.setupLink())
    await ada.fill('Name', owner.name)
    await ada.fill('Email', owner.email)
    await ada.fill('Password', owner.password)
    await ada.fill('Password again', owner.password)
    await ada.look('setup')
    await ada.click('Create the account')
    await ada.sees('Nothing is enrolled yet')
    await ada.look('overview-empty', { small: true })
  },

  'a wrong password is refused and says so': async () => {
    await signOut(ada)
    await ada.look('sign-in', { small: true })
    await ada.fill('Email', owner.email)
    await ada.fill('Password', 'a guess')
    await ada.click('Sign in')
    await ada.page.getByRole('alert').waitFor()
    await signIn(ada)
  },

  'an authenticator is enrolled and from then on asked for': async () => {
    await ada.open('/account')
    await ada.click('Set up authenticator')
    const key = ada.page.getByText(/^[A-Z2-7]{32}$/).first()
    const seed = (await key.textContent()).trim()
    await stage.secret('the seed of the authenticator', seed)
    authenticator = new Authenticator(seed)
    await ada.look('account-authenticator')
    await ada.fill('Code from the authenticator', await authenticator.code())
    await ada.click('Turn on')
    const codes = await ada.page.getByRole('dialog', { name: 'Recovery codes' }).textContent()
    const each = codes.match(/([a-z2-7]{4}-){3}[a-z2-7]{4}/g)
    assert.equal(each.length, 10)
    for (const code of each) await stage.secret('a recovery code', code)
    await ada.click('I have it')
    await ada.look('account')
    await signOut(ada)
    await signIn(ada, () => authenticator.code())
  },

  'an operator signs in with the identity provider': async () => {
    grace = await Visitor.arrive(browser)
    await grace.open('/sign-in?return_to=%2Fconnectors')
    await grace.page.getByRole('link', { name: 'Continue with Corp SSO' }).click()
    await signInAtProvider(grace.page)
    await grace.page.getByRole('heading', { name: 'Connectors' }).waitFor()
    assert.equal(await grace.page.getByRole('link', { name: 'People' }).count(), 0, 'an operator manages nobody')
    await grace.click('Account of Grace Hopper')
    await grace.sees('Role: operator')
    await grace.page.keyboard.press('Escape')
    assert.deepEqual(grace.faults, [])
  },

  'a refusal by the identity provider is shown': async () => {
    const stranger = await Visitor.arrive(browser)
    await stranger.open('/sign-in?error=oidc-refused')
    await stranger.sees(/was refused/)
    await stranger.open('/sign-in?error=oidc-unavailable')
    await stranger.sees(/does not answer/)
    assert.deepEqual(stranger.faults, [])
    await stranger.leave()
  },

  // The next code of the authenticator is due after 30 s.
  ...withoutHosts(browser, () => ada.context.storageState()),

  'a connector is watched from its token to ONLINE': async () => {
    await stage.fiveMinutesPass()
    const token = await createToken(ada, 'connector', 'connector-fra-01', async () => {
      await ada.page.getByRole('dialog', { name: 'Confirm that it is you' }).waitFor()
      await ada.look('step-up')
      await ada.fill('Code from your authenticator', await authenticator.code())
      await ada.click('Confirm')
    })
    await ada.look('token-created', { small: true })
    const late = await watchEnrolling(ada, 'connector', 'connector-fra-01', token)
    console.log(`ONLINE on the page ${late} ms after the API knew`)
    assert.ok(late < most.live, `${late} ms is not live`)
    await ada.look('connector-enrolled')
  },

  'more hosts come': async () => {
    for (const [kind, id] of [
      ['connector', 'connector-ams-01'],
      ['tunneler', 'tunneler-bob'],
    ]) {
      const late = await watchEnrolling(ada, kind, id, await createToken(ada, kind, id))
      console.log(`${id} ONLINE on the page ${late} ms after the API knew`)
    }
  },

  'somebody of the identity provider confirms there, and seals a token to its host': async () => {
    // Five minutes have passed for her too, when they passed for ada.
    const key = await stage.hostKey('tunneler', 'tunneler-alice')
    await grace.open('/tunnelers/new')
    await grace.fill('Id of the tunneler', 'tunneler-alice')
    await grace.page.getByRole('radio', { name: 'Seal it to the host' }).check()
    await grace.fill('Public key of the host', key)
    await grace.click('Create token')
    const dialog = grace.page.getByRole('dialog', { name: 'Confirm that it is you' })
    await dialog.getByRole('button', { name: 'I have signed in' }).click()
    await dialog.getByText('You have not confirmed yet').waitFor()
    await grace.look('step-up-provider')
    const atProvider = async () => {
      const opened = grace.context.waitForEvent('page')
      await dialog.getByRole('link', { name: 'Sign in at Corp SSO' }).click()
      return opened
    }
    // Somebody else at the provider confirms nothing, and the page says so.
    const other = await atProvider()
    await signInAtProvider(other, 'mallory')
    await other.getByText('did not say that you are Grace Hopper').waitFor()
    await other.close()
    await dialog.getByRole('button', { name: 'I have signed in' }).click()
    await dialog.getByText('You have not confirmed yet').waitFor()
    const tab = await atProvider()
    await signInAtProvider(tab)
    await tab.getByText('You have confirmed that it is you').waitFor()
    await tab.close()
    await grace.sees('Only the host with the private key') // by itself, with what was typed
    await grace.look('token-sealed')
    const sealed = await grace.page.locator('section[aria-label="sealed token"] pre').textContent()
    assert.doesNotMatch(
      await grace.page.content(),
      /zt[a-z]_[0-9A-Za-z]{20}/,
      'the page has no token that is not sealed',
    )
    await stage.hostKey('tunneler', 'tunneler-eve')
    await assert.rejects(stage.enrollSealed('tunneler-eve', sealed), /exit [1-9]/, 'another host has another key')
    await stage.enrollSealed('tunneler-alice', sealed)
    await grace.sees('The tunneler is online')
    await grace.leave()
  },

  'a host that asks is approved by what its screen shows': async () => {
    await ada.open('/requests')
    await ada.sees('No host is waiting')
    await ada.look('requests-empty')
    const screen = await stage.request('connector', 'connector-lab-01')
    await ada.sees(screen.code) // by itself
    const cut = screen.fingerprint.lastIndexOf('-')
    await ada.sees(screen.fingerprint.slice(0, cut))
    await ada.look('requests', { small: true })
    await ada.click('Approve connector-lab-01')
    await ada.fill('Last group of the fingerprint', 'ZZZZ')
    await ada.click('Approve')
    await ada.page.locator('[aria-invalid=true]').waitFor()
    await ada.look('requests-approve')
    await ada.fill('Last group of the fingerprint', screen.fingerprint.slice(cut + 1))
    await ada.click('Approve')
    await ada.sees('Approved connector connector-lab-01.')
    await stage.requested('connector-lab-01')
    await stage.online('connector-lab-01')
    await ada.page.getByRole('table', { name: 'Decided requests' }).waitFor()
  },

  'every page of the fleet shows it': async () => {
    for (const [name, path, sign, how] of [
      ['connectors', '/connectors', 'connector-fra-01', { small: true }],
      [
        'connector',
        '/connectors/connector-fra-01',
        'spiffe://mycorp.internal/connector/connector-fra-01',
        { full: true, small: true },
      ],
      ['tunnelers', '/tunnelers', 'tunneler-alice'],
      ['tunneler', '/tunnelers/tunneler-alice', 'spiffe://mycorp.internal/tunneler/tunneler-alice', { full: true }],
      ['hosts', '/hosts', 'connector-fra-01'],
      ['networks', '/networks', 'default'],
      ['tokens', '/tokens', 'connector-ams-01'],
      ['settings', '/settings', 'mycorp.internal', { full: true }],
    ]) {
      await ada.open(path)
      await ada.sees(sign)
      await ada.look(name, how)
    }
    await ada.open('/hosts')
    await ada.page.locator('a[href^="/hosts/"]').first().click()
    await ada.page.getByRole('heading', { level: 1 }).waitFor()
    await ada.look('host')
  },

  'a claim link opens once, and the operator sees the second time': async () => {
    await ada.open('/connectors/new')
    await ada.fill('Id of the connector', 'connector-hel-01')
    await ada.page.getByRole('radio', { name: 'Claim link' }).check()
    await ada.look('token-form', { full: true, small: true })
    await ada.click('Create token')
    await ada.sees('Send this link')
    await ada.look('token-claim')
    const link = (await ada.page.locator('pre.command').first().textContent()).trim()
    const [host, thief] = [await Visitor.arrive(browser), await Visitor.arrive(browser)]
    await host.open(link)
    await host.sees('It can be shown once')
    await host.look('claim', { small: true })
    await host.click('Show the token')
    await host.sees('This is the only time that it is shown')
    await host.sees('The command asks for the token.')
    await host.look('claim-opened')
    await thief.open(link)
    await thief.click('Show the token')
    await thief.sees('this link is not valid')
    await thief.look('claim-refused')
    await ada.open('/tokens')
    await ada.page
      .getByRole('link', { name: /connector-hel-01/ })
      .first()
      .click()
    await ada.sees('The claim link was opened twice')
    await ada.look('token')
    await Promise.all([host.leave(), thief.leave()])
  },

  'an address that leads nowhere says so': async () => {
    await ada.open('/no-such-page')
    await ada.look('not-found')
  },

  'a command line signs in': async () => {
    const oauth = async (path, form) =>
      (
        await fetch(`${stage.dashboard}/api/admin/oauth/${path}`, {
          method: 'POST',
          body: new URLSearchParams({ client_id: 'grpccontroller-cli', ...form }),
        })
      ).json()
    const ask = await oauth('device_authorization', { host_name: 'adas-laptop' })
    assert.equal(ask.verification_uri, `${stage.dashboard}/device`)
    await ada.open('/device')
    await ada.fill('Code that the command line shows', 'BBBB-BBBB')
    await ada.click('Continue')
    await ada.sees('no command line waits with this code')
    await ada.fill('Code that the command line shows', ask.user_code.toLowerCase())
    await ada.click('Continue')
    await ada.sees('Only approve what you started yourself')
    await ada.sees('adas-laptop')
    await ada.look('device', { small: true })
    await ada.click('I started it: approve')
    await ada.sees('The command line is signed in')
    const token = await oauth('token', {
      grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
      device_code: ask.device_code,
    })
    await stage.secret('the token of a command line', token.access_token)
    await stage.secret('the code of a command line', ask.device_code)
    const who = await fetch(`${stage.dashboard}/api/admin/whoami`, {
      headers: { Authorization: `Bearer ${token.access_token}` },
    })
    assert.equal((await who.json()).name, owner.name)
  },

  'people and keys are managed': async () => {
    await ada.open('/people')
    await ada.sees('grace@mycorp.internal')
    await ada.look('people')
    await ada.open('/keys')
    await ada.sees('monitoring')
    await ada.sees('command line on adas-laptop')
    await ada.look('keys')
  },

  'a revoked tunneler goes OFFLINE': async () => {
    await ada.open('/tunnelers/tunneler-bob')
    await ada.click('Revoke')
    const revoke = ada.button('Revoke tunneler')
    assert.ok(await revoke.isDisabled(), 'the id was not typed yet')
    await ada.fill('Type tunneler-bob to confirm', 'tunneler-bo')
    assert.ok(await revoke.isDisabled(), 'that is another id')
    await ada.fill('Type tunneler-bob to confirm', 'tunneler-bob')
    await ada.look('revoke')
    await revoke.click()
    await ada.sees('Revoked tunneler tunneler-bob.')
    await ada.page
      .getByText(/^revoked$/i)
      .first()
      .waitFor()
    await stage.stop('tunneler-bob')
  },

  'the CA is rotated by the wizard': async () => {
    await ada.open('/ca')
    await ada.click('Rotate…')
    await ada.look('ca-options')
    await ada.click('Preview')
    await ada.button('Start rotation').waitFor()
    await ada.look('ca-preview')
    await ada.click('Start rotation')
    await ada.sees('Rotation in progress')
    await ada.sees('Last rotation')
    await ada.page.getByText('done', { exact: true }).first().waitFor()
    await ada.look('ca', { full: true })
  },

  'the audit log has all of it, verified': async () => {
    await ada.open('/audit')
    await ada.sees(/^(Verified|None of) [\d,]+ (of [\d,]+ records: unchanged|records is verified yet)/)
    for (const title of ['Enrollment token created', 'Revoked', /^CA rotation/]) await ada.sees(title)
    await ada.look('audit', { small: true })
    await ada.click('Checkpoint and witnesses')
    await ada.sees('connector-fra-01')
    await ada.look('audit-witnesses')
  },

  'the overview is there at once': async () => {
    const storageState = await ada.context.storageState()
    const v = await Visitor.arrive(browser, { storageState }) // an empty cache
    const asked = new Set() // what is read again after an event counts once
    v.page.on('request', (r) => {
      const { pathname, search } = new URL(r.url())
      if (pathname.startsWith('/api/') && !pathname.endsWith('/events')) asked.add(pathname + search)
    })
    await v.page.goto(stage.dashboard)
    // Numbers and the picture are there, and the page answers: a frame has been drawn after them.
    const took = await v.page.evaluate(() => {
      const there = () =>
        document.querySelector('section[aria-label=Connectors] .numbers') && document.querySelector('svg.topology g')
      return new Promise((resolve) => {
        const look = () => (there() ? setTimeout(() => resolve(performance.now())) : requestAnimationFrame(look))
        look()
      })
    })
    // How long it takes depends on what else the machine does; the bytes are counted in outage.mjs.
    console.log(`overview interactive in ${Math.round(took)} ms after ${asked.size} requests`)
    assert.ok(asked.size <= most.asked, [...asked].join(' '))
    await v.leave()
    await ada.open('/')
    await ada.sees('SVID lifetimes')
    await ada.page.locator('.recharts-surface').first().waitFor()
    await ada.look('overview', { small: true })
  },

  ...outage(browser, () => ada.context.storageState()),
}

await perform('the dashboard', acts, (path) => ada?.page.screenshot({ path: `${path}.png` }))
after(() => browser.close())
