// People, sessions and keys.
import { Fault, on, one, page, permissions } from '../answer'
import { ago, ahead, hex, type S, type World } from '../world'

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
    events_after: String(w.sent.length),
  }
}

on('get', '/api/admin/setup', ({ w }) => ({ needed: w.setup, oidc: { enabled: true, name: 'Corp SSO' } }))
on('post', '/api/admin/session', ({ w, body }) => {
  if (body.password !== 'correct horse') throw new Fault(401, 'unauthenticated', 'sign-in was refused')
  if (w.people[0]?.totp && !body.totp) throw new Fault(401, 'totp-required', 'the account has a second factor')
  if (w.people[0]?.totp && body.totp !== '123456') throw new Fault(401, 'unauthenticated', 'sign-in was refused')
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
