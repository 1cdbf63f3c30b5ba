// Connectors and tunnelers of a world.
import { ago, ahead, hex, type Kind, type Member, type S } from './basics'

export const cities = ['fra', 'ams', 'lon', 'nyc', 'sfo', 'sin', 'syd', 'gru']
export const active = 'a41c9f0be2d7733c5b1e6d80f9a2c4e7b3d5f608'

/** What a connector and a tunneler have in common, number i of its kind. */
function common(kind: Kind, i: number, id: string) {
  const online = i % 23 !== 5
  return {
    id,
    status: online ? ('ONLINE' as const) : ('OFFLINE' as const),
    last_seen: online ? ago(i % 9) : ago(3600 * (1 + (i % 90))),
    version: i % 7 ? '1.4.2' : '1.4.1',
    spiffe_id: `spiffe://corp.example/${kind}/${id}`,
    host_id: `host-${kind === 'tunneler' ? 't' : ''}${String(i).padStart(6, '0')}`,
    enrolled_at: ago(86_400 * (1 + (i % 400))),
    ...about(i),
    contested: i === 3,
    cloned: i === 4,
    clone: i === 4 ? clone(`${kind}/${id}`) : undefined,
    svid: online
      ? {
          serial: `4f1b${String(i).padStart(12, '0')}9ac2`,
          authority_id: active,
          not_after: ahead(120 + ((i * 37) % 480)),
        }
      : { serial: '', authority_id: '' },
    remote_address: online ? `203.0.113.${i % 250}:${40_000 + (i % 20_000)}` : '',
  }
}

/** Name, labels and notes of a member. */
const about = (i: number) => ({
  name: i % 4 ? '' : `Gateway ${i + 1}`,
  labels: (i % 3 ? {} : { env: i % 2 ? 'test' : 'prod', site: cities[i % 8] ?? '' }) as Record<string, string>,
  notes: i ? '' : 'In the rack below the stairs.',
  revision: 1,
})

const clone = (member: string): S['Clone'] => ({
  signal: 'instances',
  member,
  sightings: [
    { address: '203.0.113.9:4411', instance_id: hex(8), boot_id: hex(8), at: ago(30) },
    { address: '198.51.100.77:5122', instance_id: hex(8), boot_id: hex(8), at: ago(44) },
  ],
})

export function makeConnector(i: number, id: string): S['Connector'] {
  const m = common('connector', i, id)
  return {
    ...m,
    private_ip: `10.${i % 200}.${(i >> 3) % 250}.7`,
    addresses: [`10.${i % 200}.${(i >> 3) % 250}.7:9443`, `connector-${i}.corp.example:9443`],
    refusal: i === 6 ? 'older than the policy in use: revision 4 is not above 9' : undefined,
    stream_since: m.status === 'ONLINE' ? ago(60 + ((i * 131) % 900_000)) : undefined,
    policy_revision: 118,
    network_id: `net-${cities[i % 8]}`,
  }
}

export function makeTunneler(i: number, id: string, at?: S['Connector']): S['Tunneler'] {
  const m = common('tunneler', i, id)
  const since = m.status === 'ONLINE' ? ago(30 + ((i * 71) % 90_000)) : undefined
  return {
    ...m,
    connector_id: at?.id ?? '',
    reported_by: at?.spiffe_id,
    session_since: since,
    sessions:
      at && since
        ? [
            {
              connector_id: at.id,
              since,
              last_report: ago(i % 9),
              remote_address: m.remote_address,
              version: m.version,
            },
          ]
        : [],
  }
}

export function count(list: Member[]): S['Count'] {
  const live = list.filter((m) => !m.revoked_at)
  const online = live.filter((m) => m.status === 'ONLINE').length
  return { total: live.length, online, offline: live.length - online }
}
