// Tokens, requests, events, people and keys of a world.
import { ago, ahead, hex, type Role, type S } from './basics'

export function makeToken(i: number, state: S['Token']['status']): S['Token'] {
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

export function makeRequest(i: number, state: S['Request']['status']): S['Request'] {
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

const actions: [action: string, title: string, level: S['AuditEvent']['level']][] = [
  ['enroll', 'Enrolled', 'notice'],
  ['session.sign-in', 'Signed in', 'info'],
  ['token.create', 'Enrollment token created', 'info'],
  ['member.revoke', 'Revoked', 'notice'],
  ['enroll', 'Enrolled: refused', 'warning'],
  ['ca.rotation.start', 'CA rotation started', 'notice'],
  ['host.contested', 'Host contested: a second machine tried its token', 'alert'],
]

export function makeEvent(i: number, of: number, connector: string): S['AuditEvent'] {
  const denied = i % 7 === 4
  const [action, title, level] = actions[i % actions.length] as (typeof actions)[number]
  return {
    index: of - i,
    time: ago(i * 47 + 4),
    actor: i % 3 ? 'person:p1' : 'system',
    action,
    target: i % 4 ? `connector/${connector}` : `token/tok_${String(i).padStart(4, '0')}k3n9f2`,
    outcome: denied ? 'denied' : 'success',
    title,
    level,
    target_kind: i % 4 ? 'connector' : 'token',
    target_id: i % 4 ? connector : `tok_${String(i).padStart(4, '0')}k3n9f2`,
    count: 1,
    reason: denied ? 'token expired' : undefined,
    request_id: hex(16),
    source: `203.0.113.${i % 250}`,
    after: i % 5 ? undefined : { state: 'redeemed', host_id: 'host-000002' },
  }
}

/** A renewal, i places before the newest of a number of them. */
export const makeRenewal = (i: number, of: number, m: S['Connector']): S['SVIDRenewal'] => ({
  seq: of - i,
  time: ago(i * 31),
  member: `connector/${m.id}`,
  serial: m.svid.serial || hex(16),
  authority: m.svid.authority_id || hex(20),
  not_after: ahead(600 - i * 31),
})

export const person = (id: string, name: string, role: Role, more: Partial<S['Person']>): S['Person'] => ({
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

export const session = (id: string, more: Partial<S['Session']>): S['Session'] => ({
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

export const key = (id: string, name: string, scopes: string[], more: Partial<S['Key']>): S['Key'] => ({
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

export const states: S['Token']['status'][] = [
  'pending',
  'pending',
  'redeemed',
  'expired',
  'revoked',
  'redeemed',
  'redeemed',
  'expired',
]

const resource = (id: string, more: Partial<S['Resource']>): S['Resource'] => ({
  id,
  network_id: 'net-fra',
  name: id,
  hosts: [`${id}.corp`],
  ports: ['443'],
  created_at: ago(5e5),
  revision: 1,
  ...more,
})

export const makeResources = () => [
  resource('db', {
    name: 'Orders database',
    ports: ['5432'],
    alias: 'orders',
    labels: { env: 'prod', team: 'orders' },
  }),
  resource('build', {
    network_id: 'net-ams',
    hosts: ['10.8.3.0/24', '10.8.4.0/24', 'build-01.corp', 'build-02.corp', '*.build.corp'],
    ports: ['22', '8000-8100'],
    labels: { env: 'test' },
  }),
  resource('intranet', { name: 'Intranet and wiki', hosts: ['intranet.corp', 'wiki.corp'], ports: ['80', '443'] }),
  resource('metrics', { ports: ['3000'], labels: { env: 'prod' } }),
  resource('vault', { labels: { env: 'prod', tier: 'secret' }, ports: ['8200'] }),
]

const grant = (id: string, subject: string, object: string, more: Partial<S['Grant']> = {}): S['Grant'] => ({
  id,
  subject,
  object,
  created_at: ago(3e5),
  revision: 1,
  ...more,
})

export const makeGrants = () => [
  grant('ada-db', 'tunneler/tunneler-00002', 'resource/db', { until: ahead(28_000) }),
  grant('everybody-intranet', 'label/env=test', 'resource/intranet'),
  grant('oncall-prod', 'label/site=fra', 'label/env=prod', {
    time_zone: 'Europe/Berlin',
    windows: ['mon-fri 08:00-18:00', 'sat,sun 10:00-14:00'],
  }),
  grant('contractor-build', 'tunneler/tunneler-00003', 'resource/build', { until: ago(90_000) }),
  grant('ada-build', 'tunneler/tunneler-00002', 'resource/build'),
]

/** A policy test without its result, which comes of resources and grants. */
export type Expected = Omit<S['PolicyTest'], 'holds' | 'decision'>

const expected = (id: string, more: Pick<Expected, 'subject' | 'expect' | 'target'> & Partial<Expected>): Expected => ({
  id,
  created_at: ago(2e5),
  revision: 1,
  ...more,
})

export const makePolicyTests = () => [
  expected('contractor-build', { subject: 'tunneler/tunneler-00003', expect: 'reach', target: 'build-01.corp:22' }),
  expected('no-vault', {
    subject: 'label/env=test',
    expect: 'refuse',
    target: 'vault.corp:8200',
    note: 'Operators only, says the audit of 2026.',
  }),
  expected('wiki-for-test', {
    subject: 'label/env=test',
    expect: 'reach',
    target: 'wiki.corp:443',
    network_id: 'net-fra',
  }),
]

const ends = ['ok', 'ok', 'aborted', 'refused', 'ok', 'timeout', 'revoked']

/** Flows that are over, the newest first. */
export const makeFlows = () =>
  Array.from({ length: 90 }, (_, i): S['FlowRecord'] => {
    const code = ends[i % ends.length] ?? 'ok'
    const connected = code !== 'refused' && code !== 'timeout'
    return {
      id: String(900 - i),
      opened_at: ago(i * 61 + 45),
      ended_at: ago(i * 61 + 5),
      recorded_at: ago(i * 61 + 3),
      tunneler_id: `tunneler-${String((i % 9) + 1).padStart(5, '0')}`,
      connector_id: 'connector-fra-0001',
      network_id: 'net-fra',
      resource_id: code === 'refused' ? undefined : 'db',
      target: code === 'refused' ? 'vault.corp:8200' : 'db.corp:5432',
      connected,
      code,
      decision: code === 'refused' ? 'not_granted' : 'granted',
      bytes_up: connected ? i * 1_700 : 0,
      bytes_down: connected ? i * 9_100_000 : 0,
      count: code === 'refused' ? 7 : 1,
    }
  })
