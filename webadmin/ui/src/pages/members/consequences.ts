import type { Host, Kind, Member, Network } from '@/api/types'
import { fullTime } from '@/ui/time'

/** What is known about a member when the dialog opens; nothing is promised that is not known. */
export type Surroundings = { host?: Host; network?: Network }

/** What a revocation does, one sentence for each effect. */
export function consequencesOf(kind: Kind, m: Member, { host, network }: Surroundings): string[] {
  return [
    `The controller closes its ${kind === 'connector' ? 'control stream' : 'sessions'} and no longer admits it. All connectors and tunnelers that are connected receive the revocation, usually within a second.`,
    `Peers that are not connected to the controller receive it later. There, its access ends 30 seconds after its SVID has expired${until(m)}. The SVID is not renewed once the entry in SPIRE is deleted, which the controller does within a second while it runs.`,
    hostSentence(kind, m, host),
    ...(kind === 'connector' && network ? [networkSentence(m, network)] : []),
  ]
}

/** What peers allow beyond the end of an SVID, in milliseconds. */
const grace = 30_000

function until(m: Member): string {
  return m.svid.not_after
    ? `, at the latest ${fullTime(new Date(Date.parse(m.svid.not_after) + grace).toISOString())}`
    : ''
}

function hostSentence(kind: Kind, m: Member, host?: Host): string {
  if (!host) return 'If its host has no other role, the host is revoked too, and its SPIRE agent is banned.'
  const others = host.members.filter((o) => !o.revoked_at && !(o.kind === kind && o.id === m.id))
  if (!others.length) return `Its host ${host.id} has no other role: it is revoked too, and its SPIRE agent is banned.`
  const names = others.map((o) => `${o.kind} ${o.id}`).join(', ')
  return `Its host ${host.id} stays enrolled, because it is also ${names}.`
}

function networkSentence(m: Member, network: Network): string {
  const name = network.name || network.id
  const left = network.connectors.online - (m.status === 'ONLINE' ? 1 : 0)
  if (left < 1) return `No other connector of the network ${name} is online: nobody reaches it until one is.`
  if (left === 1) return `One other connector of the network ${name} is online: tunnelers use it instead.`
  return `${left.toLocaleString()} other connectors of the network ${name} are online: tunnelers use them instead.`
}
