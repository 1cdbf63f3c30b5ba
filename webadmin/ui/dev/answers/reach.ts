// Resources, grants, and what is decided by both.
import { Fault, on, one, page } from '../answer'
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
  w.resources.push(r)
  return r
})
on('patch', '/api/admin/resources/{id}', ({ w, id, body }) => {
  const r = one(w.resources, id)
  if (body.revision && body.revision !== r.revision)
    throw new Fault(409, 'revision', 'somebody else has changed this meanwhile')
  const labels = Object.entries({ ...r.labels, ...body.labels }).filter((l): l is [string, string] => l[1] !== null)
  return Object.assign(r, {
    name: body.name === undefined ? r.name : (body.name ?? r.id),
    hosts: body.hosts ?? r.hosts,
    ports: body.ports ?? r.ports,
    alias: body.alias === undefined ? r.alias : (body.alias ?? undefined),
    proxy_protocol: body.proxy_protocol === undefined ? r.proxy_protocol : body.proxy_protocol ? 'v2' : undefined,
    labels: Object.fromEntries(labels),
    revision: r.revision + 1,
  })
})
on('delete', '/api/admin/resources/{id}', ({ w, id }) => {
  if (w.grants.some((g) => g.object === `resource/${id}`)) throw new Fault(409, 'in-use', 'a grant names it')
  w.resources = w.resources.filter((r) => r.id !== id)
  return undefined
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
  w.grants.push(g)
  return g
})
on('delete', '/api/admin/grants/{id}', ({ w, id }) => {
  one(w.grants, id)
  w.grants = w.grants.filter((g) => g.id !== id)
  return undefined
})

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

/** Much simpler than a connector: a resource with the very host and port decides. */
function explained(w: World, tunneler: string, at: string): S['Explanation'] {
  const t = w.tunnelers.find((x) => x.id === tunneler)
  const [host = '', port = ''] = at.split(':')
  const enrolled = { tunneler_enrolled: !!t && !t.revoked_at }
  const r = w.resources.find((x) => x.hosts.includes(host) && x.ports.includes(port))
  if (!r) return { allowed: false, code: 'no_resource', ...enrolled }
  const place = { network_id: r.network_id, resource_id: r.id }
  const has = (labels: Record<string, string> | undefined, ref: string) =>
    Object.entries(labels ?? {}).some(([k, v]) => ref === `label/${k}=${v}`)
  const g = w.grants.find(
    (x) =>
      (x.subject === `tunneler/${tunneler}` || has(t?.labels, x.subject)) &&
      (x.object === `resource/${r.id}` || has(r.labels, x.object)),
  )
  if (!g) return { allowed: false, code: 'not_granted', ...place, ...enrolled }
  const ended = !!g.until && g.until <= ago(0)
  return {
    allowed: !ended,
    code: ended ? 'grant_ended' : 'granted',
    grant_id: g.id,
    until: ended ? undefined : g.until,
    ...place,
    ...enrolled,
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
