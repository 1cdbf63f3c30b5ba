// A world to look at the dashboard with: the state of an API, ten thousand connectors and
// nothing behind them. It is not part of the product. api.ts answers of it and serve.ts
// serves it; all of it is typed by the API's own schema.
import { randomBytes } from 'node:crypto'
import type { components } from '../src/api/schema'

export type S = components['schemas']
export type Kind = S['Token']['kind']
export type Member = S['Connector'] | S['Tunneler']
export type Role = 'auditor' | 'operator' | 'admin' | 'owner'

export const ago = (s: number) => new Date(Date.now() - s * 1000).toISOString()
export const ahead = (s: number) => ago(-s)
export const hex = (n: number) => randomBytes(n).toString('hex')

export type Options = { empty?: boolean; members?: number; role?: Role }

const cities = ['fra', 'ams', 'lon', 'nyc', 'sfo', 'sin', 'syd', 'gru']
const active = 'a41c9f0be2d7733c5b1e6d80f9a2c4e7b3d5f608'
const next = '7c22d90f4e6ab81d3350ffa9be17c6d2480e9b1a'

/** What a connector and a tunneler have in common, number i of its kind. */
function common(kind: Kind, i: number, id: string) {
  const online = i % 23 !== 5
  return {
    id,
    status: online ? ('ONLINE' as const) : ('OFFLINE' as const),
    last_seen: online ? ago(i % 9) : ago(3600 * (1 + (i % 90))),
    version: i % 7 ? '1.4.2' : '1.4.1',
    spiffe_id: `spiffe://corp.example/${kind}/${id}`,
    host_id: `host-${kind === 'tunneler' ? 't' : ''}${String(i).padStart(6, '0')}`,
    enrolled_at: ago(86_400 * (1 + (i % 400))),
    contested: i === 3,
    cloned: i === 4,
    clone: i === 4 ? clone(`${kind}/${id}`) : undefined,
    svid: online
      ? {
          serial: `4f1b${String(i).padStart(12, '0')}9ac2`,
          authority_id: active,
          not_after: ahead(120 + ((i * 37) % 480)),
        }
      : { serial: '', authority_id: '' },
    remote_address: online ? `203.0.113.${i % 250}:${40_000 + (i % 20_000)}` : '',
    name: '',
    labels: {},
    notes: '',
    revision: 1,
  }
}

const clone = (member: string): S['Clone'] => ({
  signal: 'instances',
  member,
  sightings: [
    { address: '203.0.113.9:4411', instance_id: hex(8), boot_id: hex(8), at: ago(30) },
    { address: '198.51.100.77:5122', instance_id: hex(8), boot_id: hex(8), at: ago(44) },
  ],
})

export function makeConnector(i: number, id: string): S['Connector'] {
  const m = common('connector', i, id)
  return {
    ...m,
    private_ip: `10.${i % 200}.${(i >> 3) % 250}.7`,
    addresses: [`10.${i % 200}.${(i >> 3) % 250}.7:9443`, `connector-${i}.corp.example:9443`],
    refusal: i === 6 ? 'older than the policy in use: revision 4 is not above 9' : undefined,
    stream_since: m.status === 'ONLINE' ? ago(60 + ((i * 131) % 900_000)) : undefined,
    policy_revision: 118,
    network_id: `net-${cities[i % 8]}`,
  }
}

export function makeTunneler(i: number, id: string, at?: S['Connector']): S['Tunneler'] {
  const m = common('tunneler', i, id)
  const since = m.status === 'ONLINE' ? ago(30 + ((i * 71) % 90_000)) : undefined
  return {
    ...m,
    connector_id: at?.id ?? '',
    reported_by: at?.spiffe_id,
    session_since: since,
    sessions:
      at && since
        ? [
            {
              connector_id: at.id,
              since,
              last_report: ago(i % 9),
              remote_address: m.remote_address,
              version: m.version,
            },
          ]
        : [],
  }
}

function makeToken(i: number, state: S['Token']['status']): S['Token'] {
  return {
    token_id: `tok_${String(i).padStart(4, '0')}k3n9f2`,
    kind: i % 2 ? 'tunneler' : 'connector',
    id: i % 2 ? `tunneler-${String(i + 10_001).padStart(5, '0')}` : `connector-new-${i}`,
    status: state,
    replace: i === 2,
    source_cidr: i % 3 ? undefined : '10.20.0.0/16',
    delivery: (['plain', 'sealed', 'claim'] as const)[i % 3] ?? 'plain',
    created_by: 'person:p1',
    created_at: ago(60 * (i + 1)),
    expires_at: state === 'pending' ? ahead(500 - i * 60) : ago(30),
    redeemed_at: state === 'redeemed' ? ago(50) : undefined,
    host_id: state === 'redeemed' ? 'host-000002' : undefined,
  }
}

function makeRequest(i: number, state: S['Request']['status']): S['Request'] {
  return {
    enrollment_request_id: `req_${i}8f2c`,
    kind: i % 2 ? 'tunneler' : 'connector',
    id: i % 2 ? 'tunneler-grace' : 'connector-lab-01',
    code: ['KQ4T-9MZX', 'B7PD-2WHJ', 'ZZ31-AA90'][i] ?? '',
    fingerprint_start: 'K3JH-9PQ2-X7TN-44WD-ZB6R',
    live_id: i === 1,
    version: '1.4.2',
    binary_path: '/usr/bin/grpcconnector',
    uid: 0,
    ephemeral: false,
    second_role: false,
    mismatches: 0,
    status: state,
    hostname: i % 2 ? 'grace-thinkpad' : 'lab-gw-1',
    source: `198.51.100.${i + 7}`,
    created_at: ago(95 + i * 40),
    expires_at: ahead(480 - i * 90),
    decided_by: state === 'pending' ? undefined : 'person:p1',
  }
}

const actions = [
  'enroll.redeem',
  'session.sign-in',
  'token.create',
  'member.revoke',
  'enroll.refuse',
  'ca.rotation.start',
  'host.contested',
]

function makeEvent(i: number, of: number, connector: string): S['AuditEvent'] {
  const denied = i % 7 === 4
  return {
    index: of - i,
    time: ago(i * 47 + 4),
    actor: i % 3 ? 'person:p1' : 'system',
    action: actions[i % actions.length] ?? '',
    target: i % 4 ? `connector/${connector}` : `token/tok_${String(i).padStart(4, '0')}k3n9f2`,
    outcome: denied ? 'denied' : 'success',
    title: actions[i % actions.length] ?? '',
    level: denied ? 'warning' : i % 7 === 6 ? 'alert' : 'info',
    target_kind: i % 4 ? 'connector' : 'token',
    target_id: i % 4 ? connector : `tok_${String(i).padStart(4, '0')}k3n9f2`,
    count: 1,
    reason: denied ? 'token expired' : undefined,
    request_id: hex(16),
    source: `203.0.113.${i % 250}`,
    after: i % 5 ? undefined : { state: 'redeemed', host_id: 'host-000002' },
  }
}

const person = (id: string, name: string, role: Role, more: Partial<S['Person']>): S['Person'] => ({
  id,
  name,
  role,
  email: `${name.split(' ')[0]?.toLowerCase()}@corp.example`,
  totp: false,
  oidc: false,
  invited: false,
  disabled: false,
  declared: false,
  created_at: ago(9e6),
  ...more,
})

const session = (id: string, more: Partial<S['Session']>): S['Session'] => ({
  id,
  person_id: 'p1',
  person_email: 'ada@corp.example',
  method: 'password',
  current: false,
  created_at: ago(1800),
  last_seen_at: ago(2),
  expires_at: ahead(41_000),
  source: '203.0.113.9',
  user_agent: 'Mozilla/5.0 (X11; Linux x86_64) Chrome/148.0 Safari/537.36',
  ...more,
})

const key = (id: string, name: string, scopes: string[], more: Partial<S['Key']>): S['Key'] => ({
  id,
  name,
  scopes,
  status: 'active' as const,
  declared: false,
  created_by: 'person:p2',
  created_at: ago(1e6),
  expires_at: ahead(5e6),
  ...more,
})

const states: S['Token']['status'][] = [
  'pending',
  'pending',
  'redeemed',
  'expired',
  'revoked',
  'redeemed',
  'redeemed',
  'expired',
]

export const budget: S['OutageBudget'] = {
  policy_age: '24h0m0s',
  identity: [
    { kind: 'connector', least: '3m0s', most: '5m30s' },
    { kind: 'tunneler', least: '15m30s', most: '30m30s' },
  ],
}

/** Everything that the API of a world knows. A test changes it as it likes. */
export class World {
  signedIn = true
  steppedUp = Date.now() + 3e5
  setup = false
  role: Role
  /** Hosts use their token by themselves, as in a world to look at. */
  alive = true
  /** No stream of events is served. */
  deaf = false
  connectors: S['Connector'][]
  tunnelers: S['Tunneler'][]
  tokens: S['Token'][] = []
  requests: S['Request'][] = []
  events: S['AuditEvent'][] = []
  people: S['Person'][]
  sessions = [
    session('s1', { current: true }),
    session('s2', {
      created_at: ago(9000),
      last_seen_at: ago(1300),
      expires_at: ahead(30_000),
      source: '198.51.100.20',
      user_agent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Safari/604.1',
    }),
  ]
  logins: S['Session'][] = []
  keys: S['Key'][] = []
  networks: S['Network'][] = []
  rotation?: S['Rotation']
  replacement?: S['BootstrapReplacement']
  /** The ids of items of Attention. */
  dismissed = new Set<string>()
  /** What the API was asked, as "METHOD /path?query". */
  asked: string[] = []
  /** Problems that the API answers with, by "METHOD /path". */
  faults = new Map<string, Partial<S['Problem']> & { status: number }>()
  /** Tells all pages that are open of an event; serve.ts sets it. */
  emit: (event: string, id: string) => void = () => {}
  /** Cuts the streams of events; serve.ts sets it. */
  cut: () => void = () => {}

  constructor({ empty = false, members = 10_000, role = 'owner' }: Options = {}) {
    const n = empty ? 0 : members
    this.role = role
    this.connectors = Array.from({ length: n }, (_, i) =>
      makeConnector(i, `connector-${cities[i % 8]}-${String(Math.floor(i / 8) + 1).padStart(4, '0')}`),
    )
    this.tunnelers = Array.from({ length: n }, (_, i) =>
      makeTunneler(i, `tunneler-${String(i + 1).padStart(5, '0')}`, this.connectors[i % Math.min(12, n)]),
    )
    this.people = [
      person('p1', 'Ada Lovelace', role, { totp: true, last_sign_in_at: ago(300) }),
      person('p2', 'Grace Hopper', 'admin', { oidc: true, last_sign_in_at: ago(90_000) }),
      person('p3', 'Edsger Dijkstra', 'auditor', { disabled: true }),
    ]
    if (empty) return
    this.tokens = states.map((s, i) => makeToken(i, s))
    this.requests = [makeRequest(0, 'pending'), makeRequest(1, 'pending'), makeRequest(2, 'denied')]
    this.events = Array.from({ length: 1200 }, (_, i) => makeEvent(i, 1200, this.connectors[i % n]?.id ?? ''))
    this.logins = [session('s9', { method: 'device', user_agent: 'adas-laptop', expires_at: ahead(27_000) })]
    this.keys = [
      key('key_1', 'terraform', ['fleet:read', 'tokens:write'], { last_used_at: ago(44) }),
      key('key_2', 'siem export', ['audit:read'], { expires_at: ahead(3e5) }),
    ]
    this.networks = cities.map((c) => ({
      revision: 1,
      id: `net-${c}`,
      name: `Office ${c.toUpperCase()}`,
      connectors: count(this.connectors.filter((m) => m.network_id === `net-${c}`)),
    }))
  }

  get all(): Member[] {
    return [...this.connectors, ...this.tunnelers]
  }

  authorities(): S['Authority'][] {
    const all = [
      { id: active, status: 'active' as const, trusted: true, tainted: false, expires_at: ahead(19 * 3600) },
      { id: next, status: 'old' as const, trusted: true, tainted: false, expires_at: ahead(7 * 3600) },
    ]
    return this.connectors.length ? all : all.slice(0, 1)
  }

  rotate() {
    this.rotation = {
      id: 'rot_1',
      status: 'running',
      phase: 'prepared',
      replaces: [active],
      emergency: false,
      offline: 'proceed',
      deadline: '10m0s',
      on_deadline: 'drop',
      started_by: 'person:p1',
      started_at: ago(41),
      dropped: [],
      phases: [
        { phase: 'started', at: ago(41), seconds: 0.4 },
        { phase: 'prepared', authority: next, at: ago(40), seconds: 40.2 },
      ],
      gate: {
        total: 9566,
        through: 9212,
        deadline: ahead(550),
        held_up_by: Array.from({ length: 354 }, (_, i) => ({
          name: `connector ${this.connectors[i * 3]?.id ?? i}`,
          why: 'has not reported the new authority yet',
        })),
      },
    }
    return this.rotation
  }

  replace() {
    this.replacement = {
      id: 'boot_4f2a',
      status: 'running',
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
    return this.replacement
  }

  /** A host presents a token. */
  redeem(token: S['Token'], host = 'host-009999') {
    Object.assign(token, { status: 'redeemed', redeemed_at: ago(0), host_id: host })
    this.emit('token', token.token_id)
  }

  /** The member that a token was redeemed for connects. */
  connect(token: S['Token']) {
    const more = { host_id: token.host_id ?? '', status: 'ONLINE' as const, contested: false, cloned: false }
    if (token.kind === 'connector') this.connectors.unshift({ ...makeConnector(0, token.id), ...more })
    else this.tunnelers.unshift({ ...makeTunneler(0, token.id, this.connectors[0]), ...more })
    this.emit(token.kind, token.id)
  }
}

export function count(list: Member[]): S['Count'] {
  const live = list.filter((m) => !m.revoked_at)
  const online = live.filter((m) => m.status === 'ONLINE').length
  return { total: live.length, online, offline: live.length - online }
}
