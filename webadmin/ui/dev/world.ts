// A world to look at the dashboard with: the state of an API with ten thousand connectors,
// without a controller. It is not part of the product. api.ts answers requests from it and
// serve.ts serves it; everything is typed by the API's schema.
import { ago, ahead, type Member, type Role, type S } from './basics'
import { active, cities, count, makeConnector, makeTunneler } from './members'
import {
  type Expected,
  key,
  makeEvent,
  makeFlows,
  makeGrants,
  makePolicyTests,
  makeResources,
  makeRenewal,
  makeRequest,
  makeToken,
  person,
  session,
  states,
} from './records'

export * from './basics'
export * from './members'

export type Options = { empty?: boolean; members?: number; role?: Role }

const next = '7c22d90f4e6ab81d3350ffa9be17c6d2480e9b1a'

export const budget: S['OutageBudget'] = {
  policy_age: '24h',
  identity: [
    { kind: 'connector', least: '3m', most: '5m30s' },
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
  /** Streams are open and nothing comes through: packets are dropped, or a proxy collects them. */
  mute = false
  /** How many rows a page of a list has, if it is less than the dashboard asks for. */
  rows = Infinity
  /** Answers wait for this. */
  hold: Promise<void> = Promise.resolve()
  connectors: S['Connector'][]
  tunnelers: S['Tunneler'][]
  tokens: S['Token'][] = []
  requests: S['Request'][] = []
  events: S['AuditEvent'][] = []
  renewals: S['SVIDRenewal'][] = []
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
  resources: S['Resource'][] = []
  grants: S['Grant'][] = []
  policyTests: Expected[] = []
  flows: S['FlowRecord'][] = []
  rotation?: S['Rotation']
  replacement?: S['BootstrapReplacement']
  /** What needs attention, apart from connectors that refuse the policy. */
  warnings: S['Attention'][] = []
  /** The ids of items of Attention. */
  dismissed = new Set<string>()
  /** Names, labels and notes of hosts, by id. */
  hosts = new Map<string, Pick<S['Host'], 'name' | 'labels' | 'notes' | 'revision'>>()
  /** What the API was asked, as "METHOD /path?query". */
  asked: string[] = []
  /** Problems that the API answers with, by "METHOD /path". */
  faults = new Map<string, Partial<S['Problem']> & { status: number }>()
  /** The events that happened, as a stream sends them; a position is a number of them. */
  readonly sent: string[] = []
  /** Where they are sent: the streams of serve.ts. */
  readonly streams = new Set<{ write: (text: string) => void; end: () => void }>()

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
    this.renewals = Array.from({ length: 600 }, (_, i) => makeRenewal(i, 600, this.connectors[i % n] as S['Connector']))
    this.logins = [session('s9', { method: 'device', user_agent: 'adas-laptop', expires_at: ahead(27_000) })]
    this.keys = [
      key('key_1', 'terraform', ['fleet:read', 'tokens:write'], { last_used_at: ago(44) }),
      key('key_2', 'siem export', ['audit:read'], { expires_at: ahead(3e5) }),
    ]
    this.networks = cities.map((c) => ({
      id: `net-${c}`,
      name: `Office ${c.toUpperCase()}`,
      revision: 1,
      created_at: ago(4e6),
      prefixes: c === 'fra' ? ['10.8.0.0/16', 'fd00:8::/32'] : undefined,
      connectors: count(this.connectors.filter((m) => m.network_id === `net-${c}`)),
    }))
    this.resources = makeResources()
    this.grants = makeGrants()
    this.policyTests = makePolicyTests()
    this.flows = makeFlows()
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
      deadline: '10m',
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

  /** Sends an event to all pages. */
  emit(event: string, id: string) {
    const text = `id: ${this.sent.length + 1}\nevent: ${event}\ndata: ${JSON.stringify({ id, at: ago(0) })}\n\n`
    this.sent.push(text)
    for (const s of this.streams) s.write(text)
  }

  /** Ends all streams of events. */
  cut() {
    for (const s of this.streams) s.end()
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
