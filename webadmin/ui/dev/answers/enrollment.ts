// Tokens, requests, and what a host needs to enroll.
import { Fault, on, one, page } from '../answer'
import { enrollment, handed } from '../texts'
import { ago, ahead, hex, type Kind, type S } from '../world'

on('post', '/api/admin/claims/{code}', () => ({
  token_id: 'tok_0002k3n9f2',
  token: 'ztc_demo',
  kind: 'connector' as const,
  id: 'connector-new-2',
  expires_at: ahead(300),
  ...handed('connector', 'connector-new-2', 'ztc_demo'),
}))

on('get', '/api/admin/tokens', ({ w, q }) => {
  const { items: tokens, ...rest } = page(w.tokens, q)
  return { tokens, ...rest }
})
on('get', '/api/admin/tokens/{id}', ({ w, id }) => one(w.tokens, id, 'token_id'))
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
