import { describe, expect, it } from 'vitest'
import type { Connector, Host, Network, Tunneler } from '@/api/types'
import { fullTime } from '@/ui/time'
import { consequencesOf } from './consequences'

const at = '2026-11-29T16:00:00Z'

const connector: Connector = {
  id: 'connector-fra-01',
  status: 'ONLINE',
  host_id: 'h1',
  network_id: 'fra',
  addresses: [],
  cloned: false,
  contested: false,
  enrolled_at: at,
  policy_revision: 1,
  private_ip: '',
  remote_address: '',
  spiffe_id: 'spiffe://corp.example/connector/connector-fra-01',
  svid: { serial: '1', authority_id: 'a', not_after: at },
  name: '',
  labels: {},
  notes: '',
  revision: 1,
  version: '',
}
const host: Host = {
  id: 'h1',
  hostname: '',
  name: '',
  labels: {},
  notes: '',
  revision: 1,
  enrolled_at: at,
  ephemeral: false,
  status: 'ONLINE',
  members: [{ kind: 'connector', id: 'connector-fra-01', status: 'ONLINE' }],
}
const network = (online: number): Network => ({
  id: 'fra',
  name: 'Frankfurt',
  revision: 1,
  connectors: { total: 9, online, offline: 9 - online },
})
const text = (...args: Parameters<typeof consequencesOf>) => consequencesOf(...args).join('\n')

describe('what a revocation promises', () => {
  it('names the moment at which the last access ends', () => {
    expect(text('connector', connector, {})).toContain(
      `at the latest ${fullTime(new Date(Date.parse(at) + 30_000).toISOString())}`,
    )
    const svid = { serial: '1', authority_id: 'a' }
    expect(text('connector', { ...connector, svid }, {})).toContain(
      'ends 30 seconds after its SVID has expired. The SVID is not renewed once the entry in SPIRE is deleted, which the controller does within a second while it runs.',
    )
  })

  it('does not promise to ban an agent that another role keeps', () => {
    const tunneler = { kind: 'tunneler', id: 'tunneler-a', status: 'OFFLINE' } as const
    const shared = { ...host, members: [...host.members, tunneler] }
    expect(text('connector', connector, { host: shared })).toContain(
      'stays enrolled, because it is also tunneler tunneler-a',
    )
    expect(text('connector', connector, { host: shared })).not.toContain('banned')
  })

  it('bans the agent of a host whose other roles are revoked', () => {
    const gone = { kind: 'tunneler', id: 'tunneler-a', status: 'OFFLINE', revoked_at: at } as const
    expect(text('connector', connector, { host: { ...host, members: [...host.members, gone] } })).toContain('is banned')
  })

  it('makes the ban depend on the host while that is not known', () => {
    expect(text('connector', connector, {})).toContain('If its host has no other role')
  })

  it('counts only other connectors as a way into the network', () => {
    expect(text('connector', connector, { network: network(1) })).toContain('nobody reaches it until one is')
    expect(text('connector', connector, { network: network(2) })).toContain(
      'One other connector of the network Frankfurt',
    )
    expect(text('connector', { ...connector, status: 'OFFLINE' }, { network: network(1) })).toContain('One other')
  })

  it('has no sentence about networks for a tunneler', () => {
    const { id, status, host_id, cloned, contested, enrolled_at, spiffe_id, svid } = connector
    const about = { name: '', labels: {}, notes: '', revision: 1 }
    const member = { id, status, host_id, cloned, contested, enrolled_at, spiffe_id, svid }
    const tunneler: Tunneler = { ...member, ...about, remote_address: '', version: '', connector_id: '', sessions: [] }
    expect(text('tunneler', tunneler, { host, network: network(1) })).not.toContain('network')
    expect(text('tunneler', tunneler, { host })).toContain('closes its sessions')
  })
})
