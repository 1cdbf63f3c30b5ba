// A world to look at the dashboard with: a server with the API's shapes, ten
// thousand connectors and nothing behind them. It is not part of the product.
//   npm run world -- [port] [empty]
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const start = Date.now()
const ago = (s) => new Date(Date.now() - s * 1000).toISOString()
const ahead = (s) => new Date(Date.now() + s * 1000).toISOString()
const hex = (n) => randomBytes(n).toString('hex')

/** A world: its state and what the API says of it. */
export function makeWorld({ empty = false, members = 10_000 } = {}) {
  const n = empty ? 0 : members
  const cities = ['fra', 'ams', 'lon', 'nyc', 'sfo', 'sin', 'syd', 'gru']
  const member = (kind, i, id) => {
    const online = i % 23 !== 5
    return {
      id,
      status: online ? 'ONLINE' : 'OFFLINE',
      last_seen: online ? ago(i % 9) : ago(3600 * (1 + (i % 90))),
      version: i % 7 ? '1.4.2' : '1.4.1',
      spiffe_id: `spiffe://corp.example/${kind}/${id}`,
      host_id: `host-${String(i).padStart(6, '0')}`,
      enrolled_at: ago(86_400 * (1 + (i % 400))),
      contested: i === 3,
      cloned: i === 4,
      clone:
        i === 4
          ? {
              signal: 'instances',
              member: `connector/${id}`,
              sightings: [
                { address: '203.0.113.9:4411', instance_id: hex(8), boot_id: hex(8), at: ago(30) },
                { address: '198.51.100.77:5122', instance_id: hex(8), boot_id: hex(8), at: ago(44) },
              ],
            }
          : undefined,
      svid: online
        ? {
            serial: `4f1b${String(i).padStart(12, '0')}9ac2`,
            authority_id: authorities[0].id,
            not_after: ahead(120 + ((i * 37) % 480)),
          }
        : { serial: '', authority_id: '' },
      remote_address: online ? `203.0.113.${i % 250}:${40_000 + (i % 20_000)}` : '',
    }
  }
  const authorities = [
    {
      id: 'a41c9f0be2d7733c5b1e6d80f9a2c4e7b3d5f608',
      state: 'active',
      trusted: true,
      tainted: false,
      expires_at: ahead(19 * 3600),
    },
    {
      id: '7c22d90f4e6ab81d3350ffa9be17c6d2480e9b1a',
      state: 'old',
      trusted: true,
      tainted: false,
      expires_at: ahead(7 * 3600),
    },
  ]
  const connectors = Array.from({ length: n }, (_, i) => {
    const id = `connector-${cities[i % 8]}-${String(Math.floor(i / 8) + 1).padStart(4, '0')}`
    const m = member('connector', i, id)
    return {
      ...m,
      private_ip: `10.${i % 200}.${(i >> 3) % 250}.7`,
      addresses: [`10.${i % 200}.${(i >> 3) % 250}.7:9443`, `connector-${i}.corp.example:9443`],
      refusal: i === 6 ? 'older than the policy in use: revision 4 is not above 9' : undefined,
      stream_since: m.status === 'ONLINE' ? ago(60 + ((i * 131) % 900_000)) : undefined,
      policy_revision: 118,
      network: `net-${cities[i % 8]}`,
    }
  })
  const tunnelers = Array.from({ length: n }, (_, i) => {
    const m = member('tunneler', i, `tunneler-${String(i + 1).padStart(5, '0')}`)
    const at = connectors[i % 12]
    return {
      ...m,
      connector_id: at?.id ?? '',
      reported_by: at?.spiffe_id,
      session_since: m.status === 'ONLINE' ? ago(30 + ((i * 71) % 90_000)) : undefined,
    }
  })
  const token = (i, state) => ({
    token_id: `tok_${String(i).padStart(4, '0')}k3n9f2`,
    kind: i % 2 ? 'tunneler' : 'connector',
    id: i % 2 ? `tunneler-${String(i + 10_001).padStart(5, '0')}` : `connector-new-${i}`,
    state,
    replace: i === 2,
    source_cidr: i % 3 ? undefined : '10.20.0.0/16',
    delivery: ['plain', 'sealed', 'claim'][i % 3],
    created_by: 'person:ada@corp.example',
    created_at: ago(60 * (i + 1)),
    expires_at: state === 'pending' ? ahead(500 - i * 60) : ago(30),
    redeemed_at: state === 'redeemed' ? ago(50) : undefined,
    host_id: state === 'redeemed' ? 'host-000002' : undefined,
  })
  const states = ['pending', 'pending', 'redeemed', 'expired', 'revoked', 'redeemed', 'redeemed', 'expired']
  const tokens = empty ? [] : states.map((s, i) => token(i, s))
  const request = (i, state) => ({
    request_id: `req_${i}8f2c`,
    kind: i % 2 ? 'tunneler' : 'connector',
    id: i % 2 ? 'tunneler-grace' : 'connector-lab-01',
    code: ['KQ4T-9MZX', 'B7PD-2WHJ', 'ZZ31-AA90'][i],
    fingerprint_start: 'K3JH-9PQ2-X7TN-44WD-ZB6R',
    live_id: false,
    version: '1.4.2',
    binary_path: '/usr/bin/grpcconnector',
    uid: 0,
    ephemeral: false,
    second_role: false,
    mismatches: 0,
    state,
    hostname: i % 2 ? 'grace-thinkpad' : 'lab-gw-1',
    source: `198.51.100.${i + 7}`,
    created_at: ago(95 + i * 40),
    expires_at: ahead(480 - i * 90),
    decided_by: state === 'pending' ? undefined : 'person:ada@corp.example',
  })
  const requests = empty ? [] : [request(0, 'pending'), request(1, 'pending'), request(2, 'denied')]
  const actions = [
    'enroll.redeem',
    'admin.sign_in',
    'token.create',
    'member.revoke',
    'enroll.refuse',
    'ca.phase',
    'svid.rotate',
  ]
  const events = Array.from({ length: empty ? 0 : 1200 }, (_, i) => ({
    index: 1200 - i,
    time: ago(i * 47 + 4),
    actor: i % 3 ? 'person:ada@corp.example' : 'system',
    action: actions[i % actions.length],
    target: i % 4 ? `connector/${connectors[i]?.id}` : `token/tok_${String(i).padStart(4, '0')}k3n9f2`,
    outcome: i % 7 === 4 ? 'denied' : 'success',
    reason: i % 7 === 4 ? 'token expired' : undefined,
    request_id: hex(16),
    source: `203.0.113.${i % 250}`,
    after: i % 5 ? undefined : { state: 'redeemed', host_id: 'host-000002' },
  }))
  const people = [
    {
      id: 'p1',
      email: 'ada@corp.example',
      name: 'Ada Lovelace',
      role: 'owner',
      totp: true,
      oidc: false,
      created_at: ago(9e6),
      last_sign_in_at: ago(300),
    },
    {
      id: 'p2',
      email: 'grace@corp.example',
      name: 'Grace Hopper',
      role: 'admin',
      totp: false,
      oidc: true,
      created_at: ago(8e6),
      last_sign_in_at: ago(90_000),
    },
    {
      id: 'p3',
      email: 'edsger@corp.example',
      name: 'Edsger Dijkstra',
      role: 'auditor',
      totp: false,
      oidc: false,
      disabled: true,
      created_at: ago(7e6),
    },
  ]
  const sessions = [
    {
      id: 's1',
      person_id: 'p1',
      method: 'password',
      person_email: 'ada@corp.example',
      current: true,
      created_at: ago(1800),
      last_seen_at: ago(2),
      expires_at: ahead(41_000),
      source: '203.0.113.9',
      user_agent: 'Mozilla/5.0 (X11; Linux x86_64) Chrome/148.0 Safari/537.36',
    },
    {
      id: 's2',
      person_id: 'p1',
      method: 'password',
      person_email: 'ada@corp.example',
      created_at: ago(9000),
      last_seen_at: ago(1300),
      expires_at: ahead(30_000),
      source: '198.51.100.20',
      user_agent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1',
    },
  ]
  const keys = empty
    ? []
    : [
        {
          id: 'key_1',
          name: 'terraform',
          state: 'active',
          scopes: ['fleet:read', 'tokens:write'],
          created_by: 'person:p2',
          created_at: ago(1e6),
          expires_at: ahead(5e6),
          last_used_at: ago(44),
        },
        {
          id: 'key_2',
          name: 'siem export',
          state: 'active',
          scopes: ['audit:read'],
          created_by: 'person:p2',
          created_at: ago(2e6),
          expires_at: ahead(3e5),
        },
      ]
  const rotation = {
    id: 'rot_1',
    state: 'running',
    phase: 'prepared',
    replaces: [authorities[0].id],
    emergency: false,
    offline: 'proceed',
    deadline: '10m0s',
    on_deadline: 'drop',
    started_by: 'person:ada@corp.example',
    started_at: ago(41),
    dropped: [],
    phases: [
      { phase: 'started', at: ago(41), seconds: 0.4 },
      { phase: 'prepared', authority: authorities[1].id, at: ago(40), seconds: 40.2 },
    ],
    gate: {
      total: 9566,
      through: 9212,
      deadline: ahead(550),
      held_up_by: Array.from({ length: 354 }, (_, i) => ({
        name: `connector ${connectors[i * 3]?.id ?? i}`,
        why: 'has not reported the new authority yet',
      })),
    },
  }
  const count = (list) => {
    const live = list.filter((m) => !m.revoked_at)
    const online = live.filter((m) => m.status === 'ONLINE').length
    return { total: live.length, online, offline: live.length - online }
  }
  const w = {
    signedIn: true,
    steppedUp: Date.now() + 3e5,
    setup: false,
    rotation: null,
    replacement: null,
    connectors,
    tunnelers,
    tokens,
    requests,
    events,
    people,
    sessions,
    logins: empty
      ? []
      : [
          {
            ...sessions[0],
            id: 's9',
            method: 'device',
            current: false,
            user_agent: 'adas-laptop',
            expires_at: ahead(27_000),
          },
        ],
    keys,
  }
  w.rotate = () => {
    w.rotation = rotation
  }
  w.replace = () => {
    w.replacement = {
      id: 'boot_4f2a',
      state: 'running',
      phase: 'prepared',
      old: '3f'.repeat(32),
      new: 'a1'.repeat(32),
      started_by: 'person:p1',
      started_at: ago(95),
      skipped: [],
      offline: 12,
      gate: {
        total: 640,
        through: 638,
        held_up_by: [
          { name: '7c1e90 (connector/connector-fra-0003)', why: 'it does not trust the new CA yet' },
          { name: '09bd42 (tunneler/laptop-0007)', why: 'its agent has not asked for its bundle for 30 s' },
        ],
      },
    }
  }
  w.bootstrapCA = () => ({
    anchors: [
      { fingerprint: '3f'.repeat(32), signs: true, not_before: ago(9e6), not_after: ahead(2.6e8) },
      ...(w.replacement?.state === 'running'
        ? [{ fingerprint: 'a1'.repeat(32), signs: false, not_before: ago(95), not_after: ahead(3.1e8) }]
        : []),
    ],
    replacement: w.replacement ?? undefined,
  })
  w.status = () => ({
    attention: connectors
      .filter((c) => c.refusal)
      .map((c) => ({
        kind: 'refusing',
        member: `connector/${c.id}`,
        found: `It refuses the policy of this controller: ${c.refusal}`,
        do: 'If this controller was restored from a backup or installed anew, run `grpcconnector witness reset --yes` on its host as root.',
      })),
    attention_total: connectors.filter((c) => c.refusal).length,
    trust_domain: 'corp.example',
    version: '1.4.2',
    time: ago(0),
    connectors: count(connectors),
    tunnelers: count(tunnelers),
  })
  w.ca = () => ({
    authorities: empty ? authorities.slice(0, 1) : authorities,
    rotation: w.rotation ?? undefined,
    outage_budget: {
      policy_age: '24h0m0s',
      identity: [
        { kind: 'connector', least: '3m0s', most: '5m30s' },
        { kind: 'tunneler', least: '15m30s', most: '30m30s' },
      ],
    },
  })
  w.networks = () =>
    empty
      ? []
      : cities.map((c, i) => ({
          id: `net-${c}`,
          name: `Office ${c.toUpperCase()}`,
          connectors: { total: 1250, online: 1190 - i * 9, offline: 60 + i * 9 },
        }))
  w.series = (window) => {
    const step = window === '1h' ? 10 : 300
    const points = Array.from(
      { length: empty ? 1 : window === '1h' ? 360 : 288 },
      (_, i, a = window === '1h' ? 360 : 288) => ({
        at: ago((a - i) * step),
        connectors_online: Math.round(n * 0.95 + Math.sin(i / 20) * n * 0.01),
        connectors_total: n,
        tunnelers_online: Math.round(n * 0.9 + Math.cos(i / 33) * n * 0.03),
        tunnelers_total: n,
        heartbeats: Math.round(n * 1.9 + Math.sin(i / 7) * n * 0.05),
        svid_rotations: Math.round((n / 25) * (1 + 0.4 * Math.sin(i / 5))),
      }),
    )
    return { step_seconds: step, points }
  }
  return w
}

const session = (w) => ({
  session_id: 's1',
  person: w.people[0],
  permissions: [
    'fleet:read',
    'tokens:write',
    'requests:decide',
    'members:revoke',
    'ca:rotate',
    'audit:read',
    'people:manage',
    'keys:manage',
    'settings:read',
    'self',
  ],
  csrf_token: 'csrf',
  expires_at: ahead(41_000),
  idle_expires_at: ahead(1700),
  step_up_until: new Date(w.steppedUp).toISOString(),
})

const budget = {
  policy_age: '24h0m0s',
  identity: [
    { kind: 'connector', least: '3m0s', most: '5m30s' },
    { kind: 'tunneler', least: '15m30s', most: '30m30s' },
  ],
}

const settings = {
  trust_domain: 'corp.example',
  controller_id: 'controller-1',
  version: '1.4.2',
  started_at: ago(90_000),
  outage_budget: budget,
  groups: [
    {
      name: 'listen',
      settings: [
        { key: 'admin', value: '127.0.0.1:8080' },
        { key: 'enrollment', value: '0.0.0.0:8443' },
        { key: 'control', value: '0.0.0.0:8444' },
      ],
    },
    {
      name: 'ttl',
      settings: [
        { key: 'connector_svid', value: '10m0s' },
        { key: 'tunneler_svid', value: '30m0s' },
        { key: 'token', value: '10m0s' },
      ],
    },
    {
      name: 'admin',
      settings: [
        { key: 'public_url', value: '' },
        { key: 'oidc.issuer', value: 'https://id.corp.example' },
      ],
    },
  ],
}

class Problem extends Error {
  constructor(status, type, detail, field) {
    super(detail)
    this.body = {
      type: `urn:grpccontroller:problem:${type}`,
      title: { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found', 409: 'Conflict' }[status],
      status,
      detail,
      field,
      request_id: hex(16),
    }
  }
}

function page(list, q, name) {
  let out = list
  const words = (q.get('q') ?? '').toLowerCase()
  if (words) out = out.filter((m) => JSON.stringify(m).toLowerCase().includes(words))
  if (q.get('status')) out = out.filter((m) => (m.status ?? m.state) === q.get('status'))
  if (q.get('connector_id')) out = out.filter((m) => m.connector_id === q.get('connector_id'))
  if (q.get('connector')) out = out.filter((m) => m.connector_id === q.get('connector'))
  for (const f of ['actor', 'action', 'target', 'outcome']) if (q.get(f)) out = out.filter((m) => m[f] === q.get(f))
  const sort = q.get('sort')
  if (sort) {
    const key = sort.replace(/^-/, '')
    const of = (m) => (key === 'svid_not_after' ? (m.svid?.not_after ?? '9') : (m[key] ?? ''))
    const sign = sort.startsWith('-') ? -1 : 1
    out = [...out].sort((a, b) => (of(a) < of(b) ? -sign : of(a) > of(b) ? sign : 0))
  }
  const from = Number(q.get('page_token') || 0)
  const size = Number(q.get('page_size') || 100)
  return {
    [name]: out.slice(from, from + size),
    next_page_token: from + size < out.length ? String(from + size) : '',
    total: out.length,
  }
}

function one(list, id, key = 'id') {
  const m = list.find((x) => x[key] === id)
  if (!m) throw new Problem(404, 'not-found', 'no such member is enrolled')
  return m
}

const hosts = (w) =>
  w.connectors.map((m) => ({
    id: m.host_id,
    hostname: `${m.id}.corp.example`,
    agent_id: `spiffe://corp.example/spire/agent/x509pop/${m.host_id}`,
    status: m.status,
    last_seen: m.last_seen,
    ephemeral: false,
    enrolled_at: m.enrolled_at,
    contested_at: m.contested ? ago(99) : undefined,
    members: [{ kind: 'connector', id: m.id, status: m.status }],
  }))

const verification = (w) => ({
  state: 'ok',
  checked_at: ago(40),
  seconds: 0.4,
  records: w.events.length,
  running: false,
  checkpoint: {
    size: w.events.length,
    time: ago(3),
    note: 'corp.example/audit\n1200\nq83vEjRWeJA=\n',
    verifier_key: 'corp.example/audit+5f2a+AYx',
  },
  witnesses: w.connectors.slice(0, 40).map((m) => ({ connector_id: m.id, size: w.events.length, at: ago(8) })),
})

async function answer(w, method, path, q, body) {
  const [a, b, c] = path.split('/').slice(1)
  const key = `${method} /${a}`
  if (key === 'GET /setup') return { needed: w.setup, oidc: { enabled: true, name: 'Corp SSO' } }
  if (path === '/session' && method === 'POST') {
    if (body.password !== 'correct horse')
      throw new Problem(401, 'sign-in-refused', 'The email, the password or the code is wrong.')
    w.signedIn = true
    return session(w)
  }
  if (a === 'claims')
    return {
      token: 'ztc_demo',
      kind: 'connector',
      id: 'connector-new-2',
      expires_at: ahead(300),
      ...handed('connector', 'connector-new-2', 'ztc_demo'),
    }
  if (!w.signedIn) throw new Problem(401, 'unauthenticated', 'sign in first')
  if (path === '/session/step-up') {
    if (body.password !== 'correct horse')
      throw new Problem(401, 'sign-in-refused', 'The password or the code is wrong.')
    w.steppedUp = Date.now() + 3e5
    return session(w)
  }
  if (path === '/session') {
    if (method === 'DELETE') w.signedIn = false
    return session(w)
  }
  const provenOnly =
    ['POST /tokens', 'POST /keys', 'POST /people'].includes(key) ||
    path.startsWith('/ca/rotations') ||
    path.startsWith('/ca/bootstrap') ||
    path.endsWith('/approve')
  if (provenOnly && method !== 'GET' && w.steppedUp < Date.now())
    throw new Problem(403, 'step-up-required', 'confirm that it is you')
  switch (key) {
    case 'GET /status':
      return w.status()
    case 'GET /series':
      return w.series(q.get('window'))
    case 'GET /settings':
      return settings
    case 'GET /connectors':
      return b ? one(w.connectors, b) : page(w.connectors, q, 'connectors')
    case 'GET /tunnelers':
      return b ? one(w.tunnelers, b) : page(w.tunnelers, q, 'tunnelers')
    case 'DELETE /connectors':
    case 'DELETE /tunnelers':
      Object.assign(one(w[a], b), { revoked_at: ago(0), status: 'OFFLINE' })
      return {}
    case 'GET /hosts':
      return b ? one(hosts(w), b) : page(hosts(w), q, 'hosts')
    case 'GET /networks':
      return { networks: w.networks(), next_page_token: '', total: w.networks().length }
    case 'GET /tokens':
      return b ? one(w.tokens, b, 'token_id') : page(w.tokens, q, 'tokens')
    case 'POST /tokens':
      return createToken(w, body)
    case 'DELETE /tokens':
      one(w.tokens, b, 'token_id').state = 'revoked'
      return {}
    case 'GET /requests':
      return page(w.requests, q, 'requests')
    case 'POST /requests':
      one(w.requests, b).state = c === 'approve' ? 'approved' : 'denied'
      return one(w.requests, b)
    case 'GET /enrollment':
      return enrollment()
    case 'GET /ca':
      return b === 'bootstrap' ? w.bootstrapCA() : w.ca()
    case 'POST /ca':
      if (b === 'bootstrap') return replacements(w, path.split('/')[4], body)
      return rotations(w, c && path.split('/')[3], body)
    case 'GET /audit':
      if (b === 'verification') return verification(w)
      return page(w.events, q, 'events')
    case 'GET /people':
      return page(w.people, q, 'people')
    case 'POST /people':
      return { setup_url: `https://controller.corp.example/setup#${hex(16)}`, expires_at: ahead(86_400) }
    case 'PATCH /people':
      return Object.assign(one(w.people, b), body)
    case 'DELETE /people':
      w.people = w.people.filter((p) => p.id !== b)
      return {}
    case 'GET /sessions':
      return page(w.sessions, q, 'sessions')
    case 'DELETE /sessions':
      w.sessions = w.sessions.filter((s) => s.id !== b)
      return {}
    case 'GET /keys':
      return page(w.keys, q, 'keys')
    case 'POST /keys':
      return {
        key: {
          id: 'key_3',
          name: body.name,
          scopes: body.scopes,
          state: 'active',
          created_by: 'person:p1',
          created_at: ago(0),
          expires_at: ahead(7.7e6),
        },
        secret: `zta_${hex(20)}`,
      }
    case 'GET /logins':
      return page(w.logins, q, 'sessions')
    case 'DELETE /logins':
      w.logins = w.logins.filter((s) => s.id !== b)
      return {}
    case 'POST /device':
      if (body.user_code === 'BBBB-BBBB')
        throw new Problem(
          404,
          'not-found',
          'no command line waits with this code: it was used, has expired, or has a typing mistake',
        )
      return {
        host_name: 'adas-laptop',
        source: body.user_code === 'FFFF-FFFF' ? '203.0.113.9' : '192.0.2.14',
        your_source: '192.0.2.14',
        asked_at: ago(20),
        expires_at: ahead(580),
        token_expires_in: 28_800,
      }
    case 'DELETE /keys':
      one(w.keys, b).revoked_at = ago(0)
      return {}
    case 'GET /me':
      return page(w.sessions, q, 'sessions')
    case 'POST /me':
      if (path === '/me/totp')
        return {
          secret: 'JBSWY3DPEHPK3PXP',
          uri: 'otpauth://totp/grpccontroller:ada%40corp.example?secret=JBSWY3DPEHPK3PXP&issuer=grpccontroller',
        }
      if (path === '/me/totp/confirm') {
        w.people[0].totp = true
        return { recovery_codes: Array.from({ length: 10 }, () => `${hex(3)}-${hex(3)}`) }
      }
      return {}
    case 'DELETE /me':
      if (b === 'totp') w.people[0].totp = false
      return {}
  }
  throw new Problem(404, 'not-found', 'there is no such path in the admin API')
}

const script = (kind) => (kind === 'tunneler' ? 'tunneler-setup.sh' : 'setup.sh')

const anchor = `(as_root() { if [ "$(id -u)" = 0 ]; then env "$@"; else sudo "$@"; fi; }
d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT HUP INT TERM && cat >"$d/ca.crt" <<'CA' &&
-----BEGIN CERTIFICATE-----
MIIBkTCCATegAwIBAgIQAJ9dYzY1Xh0mM9b0cT3ykzAKBggqhkjOPQQDAjAqMSgw
-----END CERTIFICATE-----
CA
`

const curl = (kind) =>
  `curl -fsSL --noproxy '*' --proto '=https' --cacert "$d/ca.crt" --capath "$d" --connect-to "enroll.corp.example:8443:controller.corp.example:8443" -o "$d/${script(kind)}" "https://enroll.corp.example:8443/install/${script(kind)}" &&\n`

const asRoot = (kind, id) =>
  `as_root CONTROLLER_ADDR="controller.corp.example:8443" ${kind.toUpperCase()}_ID="${id}" TRUST_DOMAIN="corp.example" CONTROLLER_CA_PATH="$d/ca.crt"`

const commands = (kind, id, secret) => [
  { form: 'stdin', command: `${anchor}${curl(kind)}${asRoot(kind, id)} bash "$d/${script(kind)}"\n)` },
  {
    form: 'program',
    requires: requires(kind),
    command: `${anchor}${asRoot(kind, id)} \\\n  grpc${kind} enroll --token-file - <<'TOKEN'\n${secret}\nTOKEN\n)`,
  },
]

const handed = (kind, id, secret) => {
  const all = commands(kind, id, secret)
  return { install_command: all[0].command, install_commands: all }
}

const certificate = `-----BEGIN CERTIFICATE-----
MIIBnTCCAUOgAwIBAgIRAPyVYp0UnQ7nW7GIX6s4BbswCgYIKoZIzj0EAwIwKTEn
MCUGA1UEAxMeYm9vdHN0cmFwIENBIG9mIG15Y29ycC5pbnRlcm5hbA==
-----END CERTIFICATE-----
`

const requires = (kind) =>
  `grpc${kind} must be installed on the host, with the packages grpc-spire-agent and grpc${kind}`

const enrollment = () => ({
  address: 'controller.corp.example:8443',
  trust_domain: 'mycorp.internal',
  ca: certificate,
  ca_fingerprint: Array.from({ length: 32 }, (_, i) =>
    ((i * 37 + 11) % 256).toString(16).padStart(2, '0').toUpperCase(),
  ).join(':'),
  fetch_command: `curl -fsS --noproxy '*' --insecure -o ca.crt "https://controller.corp.example:8443/ca.crt" &&
openssl x509 -in ca.crt -noout -fingerprint -sha256`,
  request_commands: ['connector', 'tunneler'].map((kind) => ({
    kind,
    requires: requires(kind),
    command: `(as_root() { if [ "$(id -u)" = 0 ]; then env "$@"; else sudo "$@"; fi; }
d=$(mktemp -d) && trap 'rm -rf "$d"' EXIT HUP INT TERM && cat >"$d/ca.crt" <<'CA' &&
${certificate}CA
as_root CONTROLLER_ADDR="controller.corp.example:8443" TRUST_DOMAIN="mycorp.internal" CONTROLLER_CA_PATH="$d/ca.crt" \\
  grpc${kind} enroll --request --id "$(hostname -s)"
)`,
  })),
})

function createToken(w, body) {
  if (!/^[a-z0-9-]{1,63}$/.test(body.id))
    throw new Problem(400, 'invalid-request', 'may have lower-case letters, digits and dashes, 63 at most', 'id')
  if (w[`${body.kind}s`].some((m) => m.id === body.id && !m.revoked_at) && !body.replace)
    throw new Problem(409, 'live-member', 'a live host has this id; say replace to revoke it')
  const t = {
    token_id: `tok_${hex(6)}`,
    kind: body.kind,
    id: body.id,
    state: 'pending',
    replace: !!body.replace,
    created_by: 'person:ada@corp.example',
    created_at: ago(0),
    expires_at: ahead(600),
  }
  w.tokens.unshift(t)
  const secret = `zt${body.kind[0]}_${hex(20)}`
  setTimeout(() => {
    Object.assign(t, { state: 'redeemed', redeemed_at: ago(0), host_id: 'host-009999' })
    w.emit?.('token', t.token_id)
  }, 5000)
  setTimeout(() => {
    w[`${body.kind}s`].unshift({ ...w[`${body.kind}s`][0], id: body.id, status: 'ONLINE', host_id: 'host-009999' })
    w.emit?.(body.kind, body.id)
  }, 8000)
  return {
    token_id: t.token_id,
    token: body.delivery ? undefined : secret,
    link_warning:
      body.delivery === 'claim'
        ? "the link opens on the controller's own machine only: set admin.public_url to the address at which others reach this dashboard, and make the link again"
        : undefined,
    claim_url: body.delivery === 'claim' ? `https://controller.corp.example/claim#${hex(16)}` : undefined,
    kind: body.kind,
    id: body.id,
    expires_at: t.expires_at,
    ...handed(body.kind, body.id, secret),
  }
}

function rotations(w, verb, body) {
  if (verb === 'abort') {
    w.rotation = { ...w.rotation, state: 'aborted', ended_at: ago(0), gate: undefined }
    return w.rotation
  }
  if (verb === 'resume') return w.rotation
  if (body.dry_run)
    return {
      dry_run: true,
      replaces: [w.ca().authorities[0].id],
      steps: [
        'prepare a new authority',
        'wait until every online peer has it',
        'activate it',
        'taint the old authority, so that every SVID is issued anew',
        'wait until no SVID, session or agent is under the old one',
        'revoke the old authority',
      ],
      gate: { total: 9566, through: 9566, held_up_by: [] },
    }
  w.rotate()
  return w.rotation
}

function replacements(w, verb, body) {
  if (verb === 'abort') {
    w.replacement = { ...w.replacement, state: 'aborted', ended_at: ago(0), gate: undefined }
    return w.replacement
  }
  if (body.dry_run)
    return {
      dry_run: true,
      steps: [
        'make a second bootstrap CA, which the first one vouches for, and restart the SPIRE server so that it trusts both',
        'sign with it once every host that is here trusts it',
        'drop the first one and erase its key once every host has a certificate of the second, and restart the SPIRE server',
        'wait until no host that is here trusts the first one any more',
      ],
      gate: { total: 640, through: 640, held_up_by: [] },
      offline: 12,
    }
  w.replace()
  return w.replacement
}

const types = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
}

/** Serves the build with the controller's own policy, and the world as its API. */
export function serve(w, port) {
  const streams = new Set()
  w.emit = (event, id) => {
    for (const s of streams) s.write(`event: ${event}\ndata: ${JSON.stringify({ id, at: ago(0) })}\n\n`)
  }
  w.cut = () => {
    for (const s of streams) s.destroy()
    streams.clear()
  }
  const server = createServer(async (req, res) => {
    const url = new URL(req.url, 'http://x')
    const say = (status, type, body, more = {}) =>
      res
        .writeHead(status, {
          'Content-Type': type,
          'Cache-Control': 'no-store',
          'X-Content-Type-Options': 'nosniff',
          ...more,
        })
        .end(body)
    if (url.pathname === '/api/admin/events') {
      if (!w.signedIn || w.deaf) return say(401, 'application/problem+json', '{}')
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
      res.write(': hello\n\n')
      streams.add(res)
      return req.on('close', () => streams.delete(res))
    }
    if (url.pathname.startsWith('/api/admin')) {
      try {
        let raw = ''
        for await (const chunk of req) raw += chunk
        const path = decodeURIComponent(url.pathname.slice('/api/admin'.length))
        return say(
          200,
          'application/json',
          JSON.stringify(await answer(w, req.method, path, url.searchParams, raw ? JSON.parse(raw) : {})),
        )
      } catch (err) {
        const p =
          err instanceof Problem
            ? err.body
            : { type: 'about:blank', title: 'Internal', status: 500, detail: String(err), request_id: hex(16) }
        return say(p.status, 'application/problem+json', JSON.stringify(p))
      }
    }
    const ext = extname(url.pathname)
    if (types[ext]) {
      try {
        return say(200, types[ext], await readFile(join(dist, url.pathname)))
      } catch {
        return say(404, 'text/plain', 'gone')
      }
    }
    const nonce = randomBytes(16).toString('base64url')
    const csp = `default-src 'none'; script-src 'self'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`
    say(
      200,
      'text/html; charset=utf-8',
      (await readFile(join(dist, 'index.html'), 'utf8')).replaceAll('__CSP_NONCE__', nonce),
      { 'Content-Security-Policy': csp },
    )
  })
  return new Promise((resolve) =>
    server.listen(port, '127.0.0.1', () =>
      resolve({
        url: `http://127.0.0.1:${server.address().port}`,
        close: () => {
          w.cut()
          server.close()
        },
      }),
    ),
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await serve(makeWorld({ empty: process.argv.includes('empty') }), Number(process.argv[2] ?? 8085))
  console.log(`${url} (password: correct horse), up since ${new Date(start).toISOString()}`)
}
