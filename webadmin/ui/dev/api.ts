// What the API of a world answers, typed by the API's schema: a reply that the
// controller would not give does not compile.
import type { paths } from '../src/api/schema'
import { enrollment, handed, settings } from './texts'
import { ago, ahead, budget, count, hex, type Kind, type Member, type Options, type S, World } from './world'

export { type Options, World }

type Method = 'get' | 'post' | 'patch' | 'put' | 'delete'
type Good<R> = {
  [C in keyof R]: C extends 200 | 201 | 202
    ? R[C] extends { content: { 'application/json': infer B } }
      ? B
      : undefined
    : C extends 204
      ? undefined
      : never
}[keyof R]
type Reply<P extends keyof paths, M extends Method> = paths[P] extends { [K in M]: { responses: infer R } }
  ? Good<R>
  : never

type Body<P extends keyof paths, M extends Method> = paths[P] extends { [K in M]: { requestBody?: infer R } }
  ? NonNullable<R> extends { content: { 'application/json': infer B } }
    ? B
    : undefined
  : undefined

type Ask<B> = { w: World; id: string; q: URLSearchParams; body: B }
type Row = { method: string; path: RegExp; handle: (a: Ask<never>) => unknown }

const table: Row[] = []

function on<M extends Method, P extends keyof paths>(method: M, path: P, handle: (a: Ask<Body<P, M>>) => Reply<P, M>) {
  const pattern = path.replace('/api/admin', '').replace(/\{\w+\}/g, '([^/]+)')
  table.push({ method: method.toUpperCase(), path: new RegExp(`^${pattern}$`), handle })
}

export class Fault extends Error {
  readonly problem: S['Problem']

  constructor(status: number, type: string, detail: string, field?: string) {
    super(detail)
    const title = { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found' }[status] ?? 'Conflict'
    this.problem = { type: `urn:grpccontroller:problem:${type}`, title, status, detail, field, request_id: hex(16) }
  }
}

/** Answers a request of a page; throws a Fault. */
export function answer(w: World, method: string, path: string, q: URLSearchParams, body: unknown): unknown {
  const query = String(q)
  w.asked.push(`${method} ${path}${query && `?${query}`}`)
  const fault = w.faults.get(`${method} ${path}`)
  if (fault) {
    const { status, type = 'internal', detail = '', field } = fault
    throw new Fault(status, type, detail, field)
  }
  for (const row of table) {
    const match = row.method === method && row.path.exec(path)
    if (!match) continue
    permit(w, method, path)
    return row.handle({ w, id: decodeURIComponent(match[1] ?? ''), q, body: body as never })
  }
  throw new Fault(404, 'not-found', 'there is no such path in the admin API')
}

const open = /^\/(setup|claims\/|session$)/
const proven = /^POST \/(tokens|keys|people|ca\/|requests\/[^/]+\/approve)/

function permit(w: World, method: string, path: string) {
  if (open.test(path) && !(path === '/session' && method === 'GET')) return
  if (!w.signedIn) throw new Fault(401, 'unauthenticated', 'sign in first')
  if (proven.test(`${method} ${path}`) && w.steppedUp < Date.now())
    throw new Fault(403, 'step-up-required', 'confirm that it is you')
  const needs = /^\/(people|sessions)/.test(path) ? 'people:manage' : /^\/(keys|logins)/.test(path) ? 'keys:manage' : ''
  if (needs && !permissions(w).includes(needs))
    throw new Fault(403, 'forbidden', `this needs the permission ${needs}, which this caller does not have`)
}

const rights: [Options['role'], string[]][] = [
  ['auditor', ['fleet:read', 'audit:read', 'settings:read', 'self']],
  ['operator', ['fleet:write', 'tokens:write', 'requests:decide', 'members:revoke', 'attention:dismiss']],
  ['admin', ['ca:rotate', 'keys:manage']],
  ['owner', ['people:manage']],
]

const permissions = (w: World) => rights.slice(0, rights.findIndex(([r]) => r === w.role) + 1).flatMap(([, p]) => p)

function current(w: World): S['CurrentSession'] {
  const { id, email, name, oidc, role, totp } = w.people[0] as S['Person']
  return {
    session_id: 's1',
    person: { id, email, name, oidc, role, totp, recovery_codes_left: 10 },
    permissions: permissions(w),
    csrf_token: 'csrf',
    expires_at: ahead(41_000),
    idle_expires_at: ahead(1700),
    step_up_until: new Date(w.steppedUp).toISOString(),
  }
}

type Row0 = Record<string, unknown>

/** A page of a list as the API makes it. */
function page<T extends object>(list: T[], q: URLSearchParams) {
  let out = list as Row0[]
  const words = (q.get('q') ?? '').toLowerCase()
  if (words) out = out.filter((m) => JSON.stringify(m).toLowerCase().includes(words))
  const status = q.get('status')
  if (status) out = out.filter((m) => (m.revoked_at ? 'REVOKED' : m.status) === status)
  else out = out.filter((m) => !('svid' in m && m.revoked_at))
  for (const f of ['actor', 'action', 'target', 'outcome']) if (q.get(f)) out = out.filter((m) => m[f] === q.get(f))
  const [since, until] = [q.get('since'), q.get('until')]
  if (since) out = out.filter((m) => String(m.time) >= since)
  if (until) out = out.filter((m) => String(m.time) < until)
  const sort = q.get('sort')
  if (sort) {
    const key = sort.replace(/^-/, '')
    const sign = sort.startsWith('-') ? -1 : 1
    const of = (m: Row0) => String(m[key] ?? '')
    out = [...out].sort((a, b) => (of(a) < of(b) ? -sign : of(a) > of(b) ? sign : 0))
  }
  const from = Number(q.get('page_token') || 0)
  if (Number.isNaN(from)) throw new Fault(400, 'invalid-request', 'is not a next_page_token of this list', 'page_token')
  const size = Number(q.get('page_size') || 100)
  const next_page_token = from + size < out.length ? String(from + size) : ''
  return { items: out.slice(from, from + size) as T[], next_page_token, total: out.length }
}

function one<T extends object>(list: T[], id: string, key = 'id'): T {
  const m = list.find((x) => (x as Row0)[key] === id)
  if (!m) throw new Fault(404, 'not-found', 'nothing is enrolled with this id')
  return m
}

const hosts = (w: World): S['Host'][] => {
  const byHost = new Map<string, [Kind, Member][]>()
  for (const m of w.all) {
    const kind = 'sessions' in m ? 'tunneler' : 'connector'
    byHost.set(m.host_id, [...(byHost.get(m.host_id) ?? []), [kind, m]])
  }
  return [...byHost].map(([id, on]) => {
    const m = on[0]?.[1] as Member
    return {
      id,
      hostname: `${m.id}.corp.example`,
      name: '',
      labels: {},
      notes: '',
      revision: 1,
      agent_id: `spiffe://corp.example/spire/agent/x509pop/${id}`,
      status: m.status,
      last_seen: m.last_seen,
      ephemeral: false,
      enrolled_at: m.enrolled_at,
      contested_at: m.contested ? ago(99) : undefined,
      revoked_at: on.every(([, o]) => o.revoked_at) ? m.revoked_at : undefined,
      members: on.map(([kind, o]) => ({ kind, id: o.id, status: o.status, revoked_at: o.revoked_at })),
    }
  })
}

on('get', '/api/admin/setup', ({ w }) => ({ needed: w.setup, oidc: { enabled: true, name: 'Corp SSO' } }))
on('post', '/api/admin/session', ({ w, body }) => {
  if (body.password !== 'correct horse') throw new Fault(401, 'unauthenticated', 'sign-in was refused')
  w.signedIn = true
  return current(w)
})
on('get', '/api/admin/session', ({ w }) => current(w))
on('delete', '/api/admin/session', ({ w }) => {
  w.signedIn = false
  return undefined
})
on('post', '/api/admin/session/step-up', ({ w, body }) => {
  if (body.password !== 'correct horse' && body.totp !== '123456')
    throw new Fault(401, 'unauthenticated', 'sign-in was refused: check e-mail address, password and code')
  w.steppedUp = Date.now() + 3e5
  return current(w)
})
on('post', '/api/admin/claims/{code}', () => ({
  token_id: 'tok_0002k3n9f2',
  token: 'ztc_demo',
  kind: 'connector' as const,
  id: 'connector-new-2',
  expires_at: ahead(300),
  ...handed('connector', 'connector-new-2', 'ztc_demo'),
}))

const attention = (w: World): S['Attention'][] =>
  w.connectors
    .filter((c) => c.refusal && !w.dismissed.has(`refusing-${c.id}`))
    .map((c) => ({
      id: `refusing-${c.id}`,
      kind: 'refusing',
      severity: 'critical',
      subject: `connector/${c.id}`,
      page: `/connectors/${c.id}`,
      since: ago(400),
      found: `It refuses the policy of this controller: ${c.refusal}`,
      do: 'If this controller was restored from a backup or installed anew, run `grpcconnector witness reset --yes` on its host as root.',
    }))
on('post', '/api/admin/attention/{id}/dismiss', ({ w, id }) => {
  const item = attention(w).find((i) => i.id === id)
  if (!item) throw new Fault(404, 'not-found', 'there is no such item of Attention')
  w.dismissed.add(id)
  return item
})
on('get', '/api/admin/status', ({ w }) => ({
  attention: attention(w),
  attention_total: attention(w).length,
  trust_domain: 'corp.example',
  version: '1.4.2',
  time: ago(0),
  connectors: count(w.connectors),
  tunnelers: count(w.tunnelers),
}))
on('get', '/api/admin/series', ({ w, q }) => {
  const [step, length] = q.get('window') === '1h' ? [10, 360] : [300, 288]
  const n = w.connectors.length
  return {
    step_seconds: step,
    points: Array.from({ length: n ? length : 1 }, (_, i) => ({
      at: ago((length - i) * step),
      connectors_online: Math.round(n * 0.95 + Math.sin(i / 20) * n * 0.01),
      connectors_total: n,
      tunnelers_online: Math.round(n * 0.9 + Math.cos(i / 33) * n * 0.03),
      tunnelers_total: n,
      heartbeats: Math.round(n * 1.9 + Math.sin(i / 7) * n * 0.05),
      svid_rotations: Math.round((n / 25) * (1 + 0.4 * Math.sin(i / 5))),
    })),
  }
})
on('get', '/api/admin/settings', () => settings(budget))

on('get', '/api/admin/connectors', ({ w, q }) => {
  const { items: connectors, ...rest } = page(w.connectors, q)
  return { connectors, ...rest }
})
on('get', '/api/admin/tunnelers', ({ w, q }) => {
  const { items: tunnelers, ...rest } = page(w.tunnelers, q)
  return { tunnelers, ...rest }
})
on('get', '/api/admin/connectors/{id}', ({ w, id }) => one(w.connectors, id))
on('get', '/api/admin/tunnelers/{id}', ({ w, id }) => one(w.tunnelers, id))
const revoke = (m: Member): undefined => {
  Object.assign(m, { revoked_at: ago(0), status: 'OFFLINE' })
}
on('delete', '/api/admin/connectors/{id}', ({ w, id }) => revoke(one(w.connectors, id)))
on('delete', '/api/admin/tunnelers/{id}', ({ w, id }) => revoke(one(w.tunnelers, id)))
on('get', '/api/admin/hosts', ({ w, q }) => {
  const { items, ...rest } = page(hosts(w), q)
  return { hosts: items, ...rest }
})
on('get', '/api/admin/hosts/{id}', ({ w, id }) => one(hosts(w), id))
on('get', '/api/admin/networks', ({ w, q }) => {
  const { items: networks, ...rest } = page(w.networks, q)
  return { networks, ...rest }
})

on('get', '/api/admin/tokens', ({ w, q }) => {
  const { items: tokens, ...rest } = page(w.tokens, q)
  return { tokens, ...rest }
})
on('delete', '/api/admin/tokens/{id}', ({ w, id }) => {
  one(w.tokens, id, 'token_id').status = 'revoked'
  return undefined
})
on('post', '/api/admin/tokens', ({ w, body }) => {
  if (!/^[a-z0-9][a-z0-9-]{0,62}$/.test(body.id))
    throw new Fault(
      400,
      'invalid-request',
      "must be 1 to 63 characters of a-z, 0-9 and '-', starting with a letter or digit",
      'id',
    )
  const kind = body.kind as Kind
  const same = w.all.find((m) => m.id === body.id && 'sessions' in m === (kind === 'tunneler') && !m.revoked_at)
  if (same && !body.replace) throw new Fault(409, 'live-member', 'a host with this id is enrolled')
  const delivery = (body.delivery ?? 'plain') as S['CreatedToken']['delivery']
  const t: S['Token'] = {
    token_id: `tok_${hex(6)}`,
    kind,
    id: body.id,
    status: 'pending',
    replace: !!body.replace,
    delivery,
    created_by: 'person:p1',
    created_at: ago(0),
    expires_at: ahead(600),
  }
  w.tokens.unshift(t)
  if (w.alive) {
    setTimeout(() => w.redeem(t), 5000)
    setTimeout(() => w.connect(t), 8000)
  }
  const secret = `zt${kind[0]}_${hex(20)}`
  return {
    token_id: t.token_id,
    token: delivery === 'plain' ? secret : undefined,
    delivery,
    claim_url: delivery === 'claim' ? `https://controller.corp.example/claim#${hex(16)}` : undefined,
    sealed_token:
      delivery === 'sealed'
        ? `-----BEGIN AGE ENCRYPTED FILE-----\n${hex(90)}\n-----END AGE ENCRYPTED FILE-----`
        : undefined,
    recipient: delivery === 'sealed' ? body.recipient : undefined,
    link_warning:
      delivery === 'claim'
        ? "the link opens on the controller's own machine only: set admin.public_url to the address at which others reach this dashboard, and make the link again"
        : undefined,
    kind,
    id: body.id,
    expires_at: t.expires_at,
    ...handed(kind, body.id, secret),
  }
})
on('get', '/api/admin/requests', ({ w, q }) => {
  const { items: requests, ...rest } = page(w.requests, q)
  return { requests, ...rest }
})
on('post', '/api/admin/requests/{id}/approve', ({ w, id, body }) => {
  if (!/^(.*-)?7QPD$/i.test(body.fingerprint))
    throw new Fault(409, 'fingerprint-mismatch', 'this is not the fingerprint of the request', 'fingerprint')
  return Object.assign(one(w.requests, id, 'enrollment_request_id'), { status: 'approved' as const })
})
on('post', '/api/admin/requests/{id}/deny', ({ w, id }) =>
  Object.assign(one(w.requests, id, 'enrollment_request_id'), { status: 'denied' as const }),
)
on('get', '/api/admin/enrollment', enrollment)

on('get', '/api/admin/ca', ({ w }) => ({
  authorities: w.authorities(),
  rotation: w.rotation,
  outage_budget: budget,
}))
on('post', '/api/admin/ca/rotations', ({ w, body }) => {
  if (body.deadline && !/^\d+[smh]$/.test(body.deadline))
    throw new Fault(400, 'invalid-request', 'must be a duration such as "5m"', 'deadline')
  if (!body.dry_run) return w.rotate()
  return {
    dry_run: true,
    replaces: w
      .authorities()
      .slice(0, 1)
      .map((a) => a.id),
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
})
on('post', '/api/admin/ca/rotations/abort', ({ w }) => {
  w.rotation = { ...w.rotate(), status: 'aborted', ended_at: ago(0), gate: undefined }
  return w.rotation
})
on('post', '/api/admin/ca/rotations/resume', ({ w }) => w.rotate())
on('get', '/api/admin/ca/bootstrap', ({ w }) => ({
  anchors: [
    { fingerprint: '3f'.repeat(32), signs: true, not_before: ago(9e6), not_after: ahead(2.6e8) },
    ...(w.replacement?.status === 'running'
      ? [{ fingerprint: 'a1'.repeat(32), signs: false, not_before: ago(95), not_after: ahead(3.1e8) }]
      : []),
  ],
  replacement: w.replacement,
}))
on('post', '/api/admin/ca/bootstrap/replacements', ({ w, body }) => {
  if (!body.dry_run) return w.replace()
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
})
on('post', '/api/admin/ca/bootstrap/replacements/abort', ({ w }) => {
  w.replacement = { ...w.replace(), status: 'aborted', ended_at: ago(0), gate: undefined }
  return w.replacement
})

on('get', '/api/admin/audit', ({ w, q }) => {
  const { items: events, ...rest } = page(w.events, q)
  return { events, ...rest }
})
on('get', '/api/admin/audit/verification', ({ w }) => ({
  state: 'ok',
  checked_at: ago(40),
  seconds: 0.4,
  records: Math.max(0, w.events.length - 13),
  archived: 0,
  read: 12,
  renewals: 400,
  running: false,
  checkpoint: {
    size: w.events.length,
    time: ago(3),
    note: 'corp.example/audit\n1200\nq83vEjRWeJA=\n',
    verifier_key: 'corp.example/audit+5f2a+AYx',
  },
  witnesses: w.connectors.slice(0, 40).map((m) => ({ connector_id: m.id, size: w.events.length, at: ago(8) })),
}))

on('get', '/api/admin/people', ({ w, q }) => {
  const { items: people, ...rest } = page(w.people, q)
  return { people, ...rest }
})
const invite = (p: S['Person']): S['InvitedPerson'] => ({
  person: p,
  setup_url: `https://controller.corp.example/setup#${hex(16)}`,
  expires_at: ahead(86_400),
})
on('post', '/api/admin/people', ({ w, body }) => {
  if (w.people.some((p) => p.email === body.email))
    throw new Fault(409, 'person-state', 'another person signs in with this e-mail address')
  return invite({ ...(w.people[2] as S['Person']), ...body, invited: true })
})
on('post', '/api/admin/people/{id}/reset', ({ w, id }) => invite(one(w.people, id)))
on('patch', '/api/admin/people/{id}', ({ w, id, body }) => Object.assign(one(w.people, id), body))
on('delete', '/api/admin/people/{id}', ({ w, id }) => {
  w.people = w.people.filter((p) => p.id !== id)
  return undefined
})
on('get', '/api/admin/sessions', ({ w, q }) => {
  const { items: sessions, ...rest } = page(w.sessions, q)
  return { sessions, ...rest }
})
on('delete', '/api/admin/sessions/{id}', ({ w, id }) => {
  w.sessions = w.sessions.filter((s) => s.id !== id)
  return undefined
})
on('get', '/api/admin/me/sessions', ({ w, q }) => {
  const { items: sessions, ...rest } = page(w.sessions, q)
  return { sessions, ...rest }
})
on('get', '/api/admin/logins', ({ w, q }) => {
  const { items: sessions, ...rest } = page(w.logins, q)
  return { sessions, ...rest }
})
on('delete', '/api/admin/logins/{id}', ({ w, id }) => {
  w.logins = w.logins.filter((s) => s.id !== id)
  return undefined
})
on('get', '/api/admin/keys', ({ w, q }) => {
  const { items: keys, ...rest } = page(w.keys, q)
  return { keys, ...rest }
})
on('post', '/api/admin/keys', ({ body }) => ({
  key: {
    id: 'key_3',
    name: body.name,
    scopes: body.scopes,
    status: 'active' as const,
    declared: false,
    created_by: 'person:p1',
    created_at: ago(0),
    expires_at: ahead(7.7e6),
  },
  secret: `zta_${hex(20)}`,
}))
on('delete', '/api/admin/keys/{id}', ({ w, id }) => {
  Object.assign(one(w.keys, id), { status: 'revoked', revoked_at: ago(0) })
  return undefined
})
on('post', '/api/admin/device/look', ({ body }) => {
  if (body.user_code === 'BBBB-BBBB') throw new Fault(404, 'not-found', 'no command line waits with this code')
  return {
    host_name: 'adas-laptop',
    source: body.user_code === 'FFFF-FFFF' ? '203.0.113.9' : '192.0.2.14',
    your_source: '192.0.2.14',
    asked_at: ago(20),
    expires_at: ahead(580),
    token_expires_in: 28_800,
  }
})
on('post', '/api/admin/me/password', ({ body }) => {
  if (body.current !== 'correct horse') throw new Fault(401, 'unauthenticated', 'sign-in was refused')
  return undefined
})
on('post', '/api/admin/me/totp', () => ({
  png: '',
  secret: 'JBSWY3DPEHPK3PXP',
  uri: 'otpauth://totp/grpccontroller:ada%40corp.example?secret=JBSWY3DPEHPK3PXP&issuer=grpccontroller',
}))
on('post', '/api/admin/me/totp/confirm', ({ w, body }) => {
  if (body.code !== '123456')
    throw new Fault(401, 'unauthenticated', 'sign-in was refused: check e-mail address, password and code')
  Object.assign(one(w.people, 'p1'), { totp: true })
  return { recovery_codes: Array.from({ length: 10 }, () => `${hex(3)}-${hex(3)}`) }
})
on('delete', '/api/admin/me/totp', ({ w }) => {
  Object.assign(one(w.people, 'p1'), { totp: false })
  return undefined
})
