// Every page and dialog of the dashboard, as a picture can be taken of it.
import type { Page } from 'playwright-core'
import { ago, type Options, type World } from './world'

export type Scene = {
  name: string
  path: string
  size?: Options
  world?: (w: World) => void
  act?: (p: Page, w: World) => Promise<unknown>
  /** What the browser may report of it. */
  reports?: RegExp
  /** The name of the dialog that is open then. */
  dialog?: string
  /** Escape does not close it: what it shows cannot be shown again. */
  insists?: boolean
  /** The button that opens the dialog, by the keyboard alone if act does not, and has the focus again after it. */
  opener?: string
}

const signedOut = (w: World) => {
  w.signedIn = false
}
const button = (p: Page, name: string) => p.getByRole('button', { name, exact: true }).first()
const click = (name: string) => (p: Page) => button(p, name).click()
/** Opens by the keyboard alone. */
const press = (name: string) => async (p: Page) => {
  await button(p, name).focus()
  await p.keyboard.press('Enter')
}
const each =
  (...steps: ((p: Page) => Promise<unknown>)[]) =>
  async (p: Page) => {
    for (const step of steps) await step(p)
  }
const fill = (label: string | RegExp, value: string) => (p: Page) => p.getByLabel(label).first().fill(value)

const create = (id: string) =>
  each(fill(/Id of the connector/, id), click('Create token'), (p) => p.getByText('Run this on the host').waitFor())

/** A dialog that a button opens. */
const asked = (name: string, path: string, opener: string, dialog: string, more: Partial<Scene> = {}): Scene => ({
  name,
  path,
  opener,
  dialog,
  ...more,
})

const menu = (item: string) =>
  each(press('Actions for Grace Hopper'), async (p) => {
    await p.locator('[role=menu]:focus-within').waitFor() // a menu takes the focus after it is shown
    await p.getByRole('menuitem', { name: item }).focus()
    await p.keyboard.press('Enter')
  })

export const dialogs: Scene[] = [
  asked('connector-revoke', '/connectors/connector-fra-0001', 'Revoke', 'Revoke connector connector-fra-0001'),
  asked('tunneler-revoke', '/tunnelers/tunneler-00001', 'Revoke', 'Revoke tunneler tunneler-00001'),
  asked(
    'connector-edit',
    '/connectors/connector-fra-0001',
    'Edit name, labels and notes of connector-fra-0001',
    'Edit connector connector-fra-0001',
  ),
  asked(
    'bulk-revoke',
    '/connectors?label=env%3Dprod',
    'Revoke all with this label…',
    'Revoke 40 connectors with env=prod',
  ),
  asked('network-create', '/networks', 'Create network', 'Create network'),
  asked('network-edit', '/networks', 'Edit network net-fra', 'Edit network net-fra'),
  asked('network-delete', '/networks', 'Delete network net-fra', 'Delete network net-fra'),
  asked('resource-create', '/resources', 'Create resource', 'Create resource'),
  asked('resource-edit', '/resources/db', 'Edit resource db', 'Edit resource db'),
  asked('resource-delete', '/resources/vault', 'Delete resource vault', 'Delete resource vault'),
  asked('resource-delete-granted', '/resources/db', 'Delete resource db', 'Delete resource db'),
  asked('grant-create', '/grants', 'Create grant', 'Create grant'),
  {
    name: 'grant-create-hours',
    path: '/grants',
    act: each(press('Create grant'), (p) => p.getByLabel('Only at certain hours').check()),
    opener: 'Create grant',
    dialog: 'Create grant',
  },
  asked('grant-of-resource', '/resources/db', 'Create grant for resource db', 'Create grant'),
  asked('grant-edit', '/grants', 'Edit grant oncall-prod', 'Edit grant oncall-prod'),
  asked('grant-withdraw', '/grants', 'Withdraw grant oncall-prod', 'Withdraw grant oncall-prod'),
  {
    name: 'grant-withdraw-refused',
    path: '/grants',
    act: each(
      press('Withdraw grant everybody-intranet'),
      (p) => p.locator('[role=dialog]:focus-within').waitFor(), // it takes the focus after it is shown
      press('Withdraw grant'),
      (p) => p.getByText('A policy test would not hold').waitFor(),
    ),
    opener: 'Withdraw grant everybody-intranet',
    dialog: 'Withdraw grant everybody-intranet',
  },
  asked('policy-test-create', '/policy-tests', 'Create policy test', 'Create policy test'),
  asked('policy-test-delete', '/policy-tests', 'Delete policy test wiki-for-test', 'Delete policy test wiki-for-test'),
  asked(
    'token-revoke',
    '/tokens',
    'Revoke token for connector connector-new-0',
    'Revoke token for connector connector-new-0',
  ),
  asked('request-approve', '/requests', 'Approve connector-lab-01', 'Approve connector connector-lab-01'),
  asked('request-replace', '/requests', 'Approve tunneler-grace', 'Approve tunneler tunneler-grace'),
  asked('request-deny', '/requests', 'Deny connector-lab-01', 'Deny connector connector-lab-01'),
  asked('ca-options', '/ca', 'Rotate…', 'Rotate: options'),
  asked('ca-preview', '/ca', 'Rotate…', 'Rotate: what will happen', { act: each(press('Rotate…'), click('Preview')) }),
  asked('ca-abort', '/ca', 'Abort…', 'Abort the rotation', { world: (w) => void w.rotate() }),
  asked('ca-replace', '/ca', 'Replace…', 'Replace the bootstrap CA'),
  asked('audit-entry', '/audit', 'Details of Signed in, connector/connector-ams-0001', 'Signed in'),
  asked('audit-witnesses', '/audit', 'Checkpoint and witnesses', 'Checkpoint and witnesses'),
  asked('person-add', '/people', 'Add person', 'Add person'),
  asked('person-remove', '/people', 'Actions for Grace Hopper', 'Remove Grace Hopper', { act: menu('Remove…') }),
  asked('key-create', '/keys', 'Create key', 'Create API key'),
  asked('key-revoke', '/keys', 'Revoke key terraform', 'Revoke key terraform'),
  asked('second-factor-off', '/account', 'Turn off…', 'Turn off the second factor'),
  {
    name: 'step-up',
    path: '/connectors/new',
    world: (w) => {
      w.steppedUp = 0
    },
    act: each(fill(/Id of the connector/, 'connector-fra-9997'), press('Create token')),
    dialog: 'Confirm that it is you',
  },
  { name: 'shortcuts', path: '/networks', act: (p) => p.keyboard.press('?'), dialog: 'Keyboard shortcuts' },
  {
    name: 'search',
    path: '/networks',
    act: each(
      (p) => p.keyboard.type('/fra'),
      (p) =>
        p
          .getByRole('option', { name: /^Connector/ })
          .first()
          .waitFor(),
      (p) => p.locator('input[role=combobox][value=fra]').waitFor(), // nothing typed was lost
    ),
    dialog: 'Search everything',
  },
  {
    name: 'leave',
    path: '/connectors/new',
    act: each(create('connector-fra-9996'), (p) => p.getByRole('link', { name: 'Hosts' }).click()),
    dialog: 'Leave this page?',
  },
  {
    name: 'key-created',
    path: '/keys',
    act: each(click('Create key'), (p) => p.getByRole('textbox', { name: 'Name' }).fill('backup'), click('Create')),
    dialog: 'The new API key',
    insists: true,
  },
]

/** The controller goes, and a link leads on. */
const away = (link: string): Pick<Scene, 'path' | 'reports' | 'act'> => ({
  path: '/',
  reports: /ERR_FAILED|ERR_INCOMPLETE_CHUNKED_ENCODING/,
  act: async (p, w) => {
    await p.getByRole('status', { name: 'Updates: Live' }).waitFor()
    await p.route('**/api/**', (r) => r.abort())
    w.cut()
    await p.getByText('Nothing can be changed until it is back').waitFor()
    if (!link) return
    const burger = p.getByRole('button', { name: 'Open navigation' })
    if (await burger.isVisible()) await burger.click()
    await p.getByRole('navigation').getByRole('link', { name: link }).click()
    await p.getByText('No answer yet').first().waitFor()
    await p.waitForFunction(() => !document.querySelector('[aria-busy=true]'))
  },
})

/** What an operator has to look into, none of it urgent. */
export const warnings = (w: World) => {
  w.warnings = [
    {
      id: 'offline-1',
      kind: 'offline',
      severity: 'warning',
      subject: '',
      page: '/connectors?status=OFFLINE',
      since: ago(7300),
      found: '3 connectors are OFFLINE: connector-fra-0004, connector-ams-0002, connector-nyc-0001.',
      do: 'Run `grpcconnector doctor` on the host. Revoke a connector that will not come back.',
    },
  ]
}

/** Forty tunnelers with a grant each, and a label. */
const manyGrants = (w: World) => {
  for (const t of w.tunnelers.slice(0, 40))
    w.grants.push({
      id: `g-${t.id}`,
      subject: `tunneler/${t.id}`,
      object: 'resource/intranet',
      created_at: ago(5),
      revision: 1,
    })
}

const auditor = { size: { role: 'auditor' } } as const
const empty = { size: { empty: true } } as const

export const pages: Scene[] = [
  { name: 'overview', path: '/' },
  { name: 'overview-empty', path: '/', ...empty },
  {
    name: 'overview-few',
    path: '/',
    size: { members: 7 },
    world: (w) => {
      for (const c of w.connectors) c.refusal = undefined
      warnings(w)
    },
  },
  { name: 'overview-stale', ...away('') },
  ...[
    ['connectors-unread', 'Connectors'],
    ['requests-unread', 'Approvals'],
    ['ca-unread', 'Certificate authority'],
    ['audit-unread', 'Audit'],
    ['keys-unread', 'API keys'],
    ['people-unread', 'People'],
    ['settings-unread', 'Settings'],
  ].map(([name = '', link = '']): Scene => ({ name, ...away(link) })),
  { name: 'overview-auditor', path: '/', ...auditor },
  {
    name: 'setup',
    path: '/setup#abcd',
    world: (w) => {
      w.signedIn = false
      w.setup = true
    },
  },
  { name: 'sign-in', path: '/sign-in', world: signedOut },
  {
    name: 'sign-in-wrong',
    path: '/sign-in',
    world: signedOut,
    act: each(
      fill('Email', 'ada@corp.example'),
      (p) => p.getByRole('textbox', { name: 'Password' }).fill('wrong'),
      click('Sign in'),
      (p) => p.getByRole('alert').waitFor(),
    ),
  },
  { name: 'sign-in-refused', path: '/sign-in?error=oidc-refused', world: signedOut },
  {
    name: 'sign-in-not-confirmed',
    path: '/sign-in?error=oidc-refused',
    world: (w) => {
      for (const p of w.people) p.oidc = true
    },
  },
  { name: 'claim', path: '/claim#abcd', world: signedOut },
  { name: 'claim-shown', path: '/claim#abcd', world: signedOut, act: click('Show the token') },
  { name: 'connectors', path: '/connectors' },
  { name: 'connectors-empty', path: '/connectors', ...empty },
  { name: 'connectors-auditor', path: '/connectors', ...auditor },
  { name: 'connectors-none', path: '/connectors?q=nothing-like-it' },
  { name: 'connectors-lost', path: '/connectors?page=3&after=older' },
  { name: 'connector', path: '/connectors/connector-fra-0001' },
  { name: 'connector-contested', path: '/connectors/connector-nyc-0001' },
  { name: 'connector-cloned', path: '/connectors/connector-sfo-0001' },
  { name: 'connector-auditor', path: '/connectors/connector-fra-0001', ...auditor },
  {
    name: 'connector-revoked',
    path: '/connectors/connector-fra-0001',
    world: (w) => void Object.assign(w.connectors[0] ?? {}, { revoked_at: ago(400), status: 'OFFLINE' }),
  },
  { name: 'connector-unknown', path: '/connectors/nobody' },
  { name: 'connector-new', path: '/connectors/new' },
  { name: 'connector-new-auditor', path: '/connectors/new', ...auditor },
  {
    name: 'connector-new-wrong',
    path: '/connectors/new',
    act: each(fill(/Id of the connector/, 'No Such Id'), click('Create token'), (p) =>
      p.getByText('Must be 1 to 63 characters').waitFor(),
    ),
  },
  { name: 'token-created', path: '/connectors/new', act: create('connector-fra-9999') },
  {
    name: 'token-online',
    path: '/connectors/new',
    act: each(create('connector-fra-9998'), (p) => p.getByText('The connector is online').waitFor({ timeout: 20_000 })),
  },
  { name: 'tunnelers', path: '/tunnelers' },
  { name: 'tunnelers-empty', path: '/tunnelers', ...empty },
  { name: 'tunneler', path: '/tunnelers/tunneler-00001' },
  { name: 'hosts', path: '/hosts' },
  { name: 'hosts-empty', path: '/hosts', ...empty },
  { name: 'host', path: '/hosts/host-000002' },
  { name: 'host-unknown', path: '/hosts/nobody' },
  { name: 'networks', path: '/networks' },
  { name: 'networks-empty', path: '/networks', ...empty },
  { name: 'resources', path: '/resources' },
  { name: 'resources-empty', path: '/resources', ...empty },
  { name: 'resources-auditor', path: '/resources', ...auditor },
  { name: 'resources-none', path: '/resources?label=env%3Dnone' },
  { name: 'resource', path: '/resources/db' },
  { name: 'resource-auditor', path: '/resources/db', ...auditor },
  { name: 'resource-unknown', path: '/resources/nothing' },
  { name: 'grants', path: '/grants' },
  { name: 'grants-empty', path: '/grants', ...empty },
  { name: 'grants-auditor', path: '/grants', ...auditor },
  { name: 'policy-tests', path: '/policy-tests' },
  { name: 'policy-tests-empty', path: '/policy-tests', ...empty },
  { name: 'policy-tests-auditor', path: '/policy-tests', ...auditor },
  { name: 'flows', path: '/flows' },
  { name: 'flows-empty', path: '/flows', ...empty },
  { name: 'reach', path: '/reach' },
  { name: 'reach-few', path: '/reach', size: { members: 9 } },
  { name: 'reach-empty', path: '/reach', ...empty },
  { name: 'reach-tunneler', path: '/reach?tunneler=tunneler-00002' },
  { name: 'reach-resource', path: '/reach?resource=db' },
  { name: 'reach-many', path: '/reach', world: manyGrants },
  { name: 'explain', path: '/explain' },
  { name: 'explain-allowed', path: '/explain?from=tunneler-00002&to=db.corp%3A5432' },
  { name: 'explain-refused', path: '/explain?from=tunneler-00009&to=vault.corp%3A8200', ...auditor },
  { name: 'explain-wrong', path: '/explain?from=tunneler-00009&to=vault.corp' },
  { name: 'tokens', path: '/tokens' },
  { name: 'tokens-empty', path: '/tokens', ...empty },
  { name: 'token-unknown', path: '/tokens/nothing' },
  { name: 'token', path: '/tokens/tok_0000k3n9f2' },
  { name: 'requests', path: '/requests' },
  { name: 'requests-empty', path: '/requests', ...empty },
  { name: 'requests-auditor', path: '/requests', ...auditor },
  { name: 'ca', path: '/ca' },
  { name: 'ca-rotating', path: '/ca', world: (w) => void w.rotate() },
  { name: 'ca-replacing', path: '/ca', world: (w) => void w.replace() },
  { name: 'audit', path: '/audit' },
  { name: 'audit-empty', path: '/audit', ...empty },
  { name: 'audit-renewals', path: '/audit/renewals' },
  { name: 'audit-renewals-empty', path: '/audit/renewals', ...empty },
  { name: 'audit-renewals-none', path: '/audit/renewals?member=connector%2Fnobody' },
  { name: 'people', path: '/people' },
  { name: 'people-auditor', path: '/people', ...auditor },
  { name: 'keys', path: '/keys' },
  { name: 'keys-empty', path: '/keys', ...empty },
  { name: 'device', path: '/device' },
  ...[
    ['device-decide', 'BCDF-GHJK', 'Only approve'],
    ['device-elsewhere', 'FFFF-FFFF', 'another address'],
    ['device-wrong', 'BBBB-BBBB', 'No command line waits'],
  ].map(([name = '', code = '', sign = '']): Scene => ({
    name,
    path: '/device',
    act: each(fill(/^Code that the command line shows/, code), click('Continue'), (p) =>
      p.getByText(sign).first().waitFor(),
    ),
  })),
  { name: 'account', path: '/account' },
  {
    name: 'account-totp',
    path: '/account',
    world: (w) => {
      for (const p of w.people) p.totp = false
    },
    act: each(click('Set up authenticator'), (p) => p.getByRole('img', { name: /QR code/ }).waitFor()),
  },
  { name: 'confirmed', path: '/confirmed' },
  {
    name: 'confirmed-nothing',
    path: '/confirmed',
    world: (w) => {
      w.steppedUp = 0
    },
  },
  { name: 'settings', path: '/settings' },
  {
    name: 'failed',
    path: '/hosts',
    world: (w) => void w.faults.set('GET /hosts', { status: 500, detail: 'internal error; the log has the reason' }),
  },
  { name: 'not-found', path: '/no/such/page' },
]
