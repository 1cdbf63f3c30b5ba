// Members, hosts and networks.
import { on, one, page, Fault } from '../answer'
import { settings } from '../texts'
import { ago, budget, count, type Kind, type Member, type S, type World } from '../world'

const unsaid = { name: '', labels: {}, notes: '', revision: 1 }

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
      ...(w.hosts.get(id) ?? unsaid),
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

const refusing = (c: S['Connector']): S['Attention'] => ({
  id: `refusing-${c.id}`,
  kind: 'refusing',
  severity: 'critical',
  subject: `connector/${c.id}`,
  page: `/connectors/${c.id}`,
  since: ago(400),
  found: `It refuses the policy of this controller: ${c.refusal}.`,
  do: 'If this controller was restored from a backup or installed anew, run `grpcconnector witness reset --yes` on its host as root.',
})

const attention = (w: World): S['Attention'][] =>
  [...w.connectors.filter((c) => c.refusal).map(refusing), ...w.warnings].filter((i) => !w.dismissed.has(i.id))
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
// A merge patch: null removes a value.
type Patch = Partial<Record<'name' | 'notes', string | null>> & {
  labels?: Record<string, string | null> | null
  network_id?: string
  revision?: number
}
const merged = (old: Record<string, string>, patch: Record<string, string | null>) =>
  Object.fromEntries(Object.entries({ ...old, ...patch }).filter((l): l is [string, string] => l[1] !== null))

function edit<T extends Member | S['Host']>(m: T, { labels, revision, name, notes, network_id }: Patch): T {
  if (revision && revision !== m.revision) throw new Fault(409, 'revision', 'somebody else has changed this meanwhile')
  if (name !== undefined) m.name = name ?? ''
  if (notes !== undefined) m.notes = notes ?? ''
  m.labels = merged(m.labels, labels ?? {})
  if (network_id && 'network_id' in m) m.network_id = network_id
  m.revision++
  return m
}
on('patch', '/api/admin/connectors/{id}', ({ w, id, body }) => edit(one(w.connectors, id), body))
on('patch', '/api/admin/tunnelers/{id}', ({ w, id, body }) => edit(one(w.tunnelers, id), body))
on('patch', '/api/admin/hosts/{id}', ({ w, id, body }) => {
  const h = one(hosts(w), id)
  const changed = edit({ ...h, labels: { ...h.labels } }, body)
  w.hosts.set(id, changed)
  return { ...h, ...changed }
})
on('post', '/api/admin/revocations', ({ w, body }) => {
  const list: Member[] = body.kind === 'tunneler' ? w.tunnelers : w.connectors
  const [key = '', value] = body.label.split('=')
  const all = list.filter((m) => !m.revoked_at && m.labels[key] === value)
  const selection = all.map((m) => `${m.id} ${m.host_id} ${m.enrolled_at}`).join('\n')
  if (!body.dry_run && body.selection !== selection) throw new Fault(409, 'selection', 'others have the label')
  if (!body.dry_run) for (const m of all) revoke(m)
  return {
    dry_run: !!body.dry_run,
    total: all.length,
    revoked: body.dry_run ? 0 : all.length,
    selection,
    members: all.map((m) => ({
      kind: body.kind ?? 'connector',
      id: m.id,
      name: m.name,
      host_id: m.host_id,
      result: body.dry_run ? ('would be revoked' as const) : ('revoked' as const),
    })),
  }
})
on('post', '/api/admin/networks', ({ w, body }) => {
  if (w.networks.some((n) => n.id === body.id)) throw new Fault(409, 'exists', 'a network has this id')
  const n: S['Network'] = {
    id: body.id,
    name: body.name ?? body.id,
    prefixes: body.prefixes,
    revision: 1,
    created_at: ago(0),
    connectors: { total: 0, online: 0, offline: 0 },
  }
  w.networks.push(n)
  return n
})
on('patch', '/api/admin/networks/{id}', ({ w, id, body }) => {
  const n = one(w.networks, id)
  n.name = body.name ?? n.name
  n.prefixes = body.prefixes ?? n.prefixes
  n.revision++
  return n
})
on('delete', '/api/admin/networks/{id}', ({ w, id }) => {
  w.networks = w.networks.filter((n) => n.id !== id)
  return undefined
})
on('get', '/api/admin/networks', ({ w, q }) => {
  const { items: networks, ...rest } = page(w.networks, q)
  return { networks, ...rest }
})
