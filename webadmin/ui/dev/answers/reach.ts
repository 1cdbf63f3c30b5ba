// Resources, grants, what is decided by both, and tests of that.
import { Fault, on, one, page } from '../answer'
import type { Expected } from '../records'
import { ago, hex, type S, type World } from '../world'

const target = /^[\w.*-]+:\d+$/
const reference = /^(tunneler|resource)\/[a-z0-9-]+$|^label\/[^=]+=.+$/

on('get', '/api/admin/resources', ({ w, q }) => {
  const network = q.get('network')
  const all = w.resources.filter((r) => !network || r.network_id === network)
  const { items: resources, ...rest } = page(all, q)
  return { resources, ...rest }
})
on('get', '/api/admin/resources/{id}', ({ w, id }) => one(w.resources, id))
on('post', '/api/admin/resources', ({ w, body }) => {
  if (w.resources.some((r) => r.id === body.id)) throw new Fault(409, 'exists', 'a resource has this id')
  if (!body.hosts.length) throw new Fault(400, 'invalid-request', 'have at least one name, address or prefix', 'hosts')
  const bad = body.hosts.findIndex((h) => h.includes('_'))
  if (bad >= 0) throw new Fault(400, 'invalid-request', 'is neither a name nor an address', `hosts[${bad}]`)
  const r: S['Resource'] = {
    id: body.id,
    network_id: body.network_id ?? 'default',
    name: body.name ?? body.id,
    hosts: body.hosts,
    ports: body.ports,
    alias: body.alias,
    proxy_protocol: body.proxy_protocol,
    labels: body.labels as Record<string, string> | undefined,
    created_at: ago(0),
    revision: 1,
  }
  return tested(w, () => {
    w.resources.push(r)
    return r
  })
})
on('patch', '/api/admin/resources/{id}', ({ w, id, body }) => {
  const r = one(w.resources, id)
  if (body.revision && body.revision !== r.revision)
    throw new Fault(409, 'revision', 'somebody else has changed this meanwhile')
  const labels = Object.entries({ ...r.labels, ...body.labels }).filter((l): l is [string, string] => l[1] !== null)
  const changed = {
    name: body.name === undefined ? r.name : (body.name ?? r.id),
    hosts: body.hosts ?? r.hosts,
    ports: body.ports ?? r.ports,
    alias: body.alias === undefined ? r.alias : (body.alias ?? undefined),
    proxy_protocol: body.proxy_protocol === undefined ? r.proxy_protocol : body.proxy_protocol ? 'v2' : undefined,
    labels: Object.fromEntries(labels),
    revision: r.revision + 1,
  }
  return tested(w, () => Object.assign(r, changed))
})
on('delete', '/api/admin/resources/{id}', ({ w, id }) => {
  if (w.grants.some((g) => g.object === `resource/${id}`)) throw new Fault(409, 'in-use', 'a grant names it')
  return tested(w, () => {
    w.resources = w.resources.filter((r) => r.id !== id)
    return undefined
  })
})

on('get', '/api/admin/grants', ({ w, q }) => {
  const [subject, object] = [q.get('subject'), q.get('object')]
  const all = w.grants.filter((g) => (!subject || g.subject === subject) && (!object || g.object === object))
  const { items: grants, ...rest } = page(all, q)
  return { grants, ...rest }
})
on('post', '/api/admin/grants', ({ w, body }) => {
  for (const field of ['subject', 'object'] as const)
    if (!reference.test(body[field]))
      throw new Fault(400, 'invalid-request', 'must be 1 to 63 characters of a-z, 0-9 and -', field)
  const [kind, id] = body.object.split('/')
  if (kind === 'resource' && !w.resources.some((r) => r.id === id))
    throw new Fault(400, 'invalid-request', `there is no resource "${id}": create it first`, 'object')
  const g: S['Grant'] = { ...body, id: body.id ?? `g-${hex(5)}`, created_at: ago(0), revision: 1 }
  return tested(w, () => {
    w.grants.push(g)
    return g
  })
})
on('patch', '/api/admin/grants/{id}', ({ w, id, body }) => {
  const g = one(w.grants, id)
  if (body.revision && body.revision !== g.revision)
    throw new Fault(409, 'revision', 'somebody else has changed this meanwhile')
  const changed = {
    subject: body.subject ?? g.subject,
    object: body.object ?? g.object,
    until: body.until === undefined ? g.until : (body.until ?? undefined),
    time_zone: body.time_zone === undefined ? g.time_zone : (body.time_zone ?? undefined),
    windows: body.windows === undefined ? g.windows : body.windows.length ? body.windows : undefined,
    revision: g.revision + 1,
  }
  return tested(w, () => Object.assign(g, changed))
})
on('delete', '/api/admin/grants/{id}', ({ w, id }) => {
  one(w.grants, id)
  return tested(w, () => {
    w.grants = w.grants.filter((g) => g.id !== id)
    return undefined
  })
})

on('get', '/api/admin/policy-tests', ({ w, q }) => {
  const subject = q.get('subject')
  const all = w.policyTests.filter((t) => !subject || t.subject === subject).map((t) => judged(w, t))
  const { items: policy_tests, ...rest } = page(all, q)
  return { policy_tests, ...rest }
})
on('post', '/api/admin/policy-tests', ({ w, body }) => {
  if (w.policyTests.some((t) => t.id === body.id)) throw new Fault(409, 'exists', 'a policy test has this id')
  if (!target.test(body.target))
    throw new Fault(400, 'invalid-request', 'is no target: write HOST:PORT, such as db.corp:5432', 'target')
  const t = judged(w, { ...body, id: body.id ?? `t-${hex(5)}`, created_at: ago(0), revision: 1 })
  if (!t.holds) throw broken([t])
  w.policyTests.push(t)
  return t
})
on('delete', '/api/admin/policy-tests/{id}', ({ w, id }) => {
  one(w.policyTests, id)
  w.policyTests = w.policyTests.filter((t) => t.id !== id)
  return undefined
})

/** A policy test with what is decided now. */
function judged(w: World, t: Expected): S['PolicyTest'] {
  const [kind, name = ''] = [t.subject.slice(0, t.subject.indexOf('/')), t.subject.slice(t.subject.indexOf('/') + 1)]
  const { allowed, code, network_id, resource_id, grant_id } =
    kind === 'label' ? decided(w, [t.subject], t.target) : explained(w, name, t.target)
  return {
    ...t,
    holds: allowed === (t.expect === 'reach'),
    decision: { allowed, code, network_id, resource_id, grant_id },
  }
}

const broken = (policy_tests: S['PolicyTest'][]) =>
  new Fault(
    409,
    'policy-tests-broken',
    `policy tests would not hold: ${policy_tests.map((t) => t.id).join()}`,
    undefined,
    {
      policy_tests: policy_tests.map(({ id, subject, target, network_id, expect, note, decision }) => ({
        id,
        subject,
        target,
        network_id,
        expect,
        note,
        decision,
      })),
    },
  )

/** Makes a change unless it breaks a policy test that holds. */
function tested<T>(w: World, change: () => T): T {
  const before = structuredClone({ resources: w.resources, grants: w.grants })
  const held = w.policyTests.filter((t) => judged(w, t).holds)
  const out = change()
  const lost = held.map((t) => judged(w, t)).filter((t) => !t.holds)
  if (!lost.length) return out
  Object.assign(w, before)
  throw broken(lost)
}

on('post', '/api/admin/explain', ({ w, body }) => {
  if (!target.test(body.target))
    throw new Fault(
      400,
      'invalid-request',
      `"${body.target}" is no target: write HOST:PORT, such as db.corp:5432`,
      'target',
    )
  return explained(w, body.tunneler_id, body.target)
})

const refsOf = (labels: Record<string, string> | undefined) =>
  Object.entries(labels ?? {}).map(([k, v]) => `label/${k}=${v}`)

function explained(w: World, tunneler: string, at: string): S['Explanation'] {
  const t = w.tunnelers.find((x) => x.id === tunneler)
  const who = [`tunneler/${tunneler}`, ...refsOf(t?.labels)]
  return { ...decided(w, who, at), tunneler_enrolled: !!t && !t.revoked_at }
}

/** Much simpler than a connector: a resource with the very host and port decides. */
function decided(w: World, who: string[], at: string): Omit<S['Explanation'], 'tunneler_enrolled'> {
  const [host = '', port = ''] = at.split(':')
  const r = w.resources.find((x) => x.hosts.includes(host) && x.ports.includes(port))
  if (!r) return { allowed: false, code: 'no_resource' }
  const place = { network_id: r.network_id, resource_id: r.id }
  const of = [`resource/${r.id}`, ...refsOf(r.labels)]
  const g = w.grants.find((x) => who.includes(x.subject) && of.includes(x.object))
  if (!g) return { allowed: false, code: 'not_granted', ...place }
  const ended = !!g.until && g.until <= ago(0)
  return {
    allowed: !ended,
    code: ended ? 'grant_ended' : 'granted',
    grant_id: g.id,
    until: ended ? undefined : g.until,
    ...place,
  }
}

on('get', '/api/admin/flows', ({ w, q }) => {
  const is = (name: keyof (typeof w.flows)[number], query: string) => (f: (typeof w.flows)[number]) =>
    !q.get(query) || String(f[name] ?? '') === q.get(query)
  const kept = w.flows
    .filter(is('tunneler_id', 'tunneler'))
    .filter(is('resource_id', 'resource'))
    .filter(is('target', 'target'))
    .filter(is('code', 'code'))
  const { items, next_page_token } = page(kept, q)
  return { flows: items, next_page_token }
})
on('get', '/api/admin/flows/totals', ({ w }) => {
  const done = w.flows.filter((f) => f.connected)
  const sum = {
    flows: done.length,
    refused: w.flows.filter((f) => f.code === 'refused').length,
    failed: w.flows.filter((f) => !f.connected && f.code !== 'refused').length,
    bytes_up: done.reduce((n, f) => n + f.bytes_up, 0),
    bytes_down: done.reduce((n, f) => n + f.bytes_down, 0),
    unrecorded: 0,
  }
  return { open: done.length ? 412 : 0, hour: sum, day: sum }
})
