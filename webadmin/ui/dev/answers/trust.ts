// The authorities and the audit log.
import { Fault, on, page } from '../answer'
import { ago, ahead, budget } from '../world'

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
on('get', '/api/admin/audit/renewals', ({ w, q }) => {
  const matches = (value: string, text: string) =>
    text.endsWith('*') ? value.startsWith(text.slice(0, -1)) : value === text
  const fields = ['member', 'serial', 'authority'] as const
  const found = w.renewals.filter((r) => fields.every((f) => !q.get(f) || matches(r[f], q.get(f) ?? '')))
  const { items: renewals, next_page_token } = page(found, q)
  return { renewals, next_page_token }
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
