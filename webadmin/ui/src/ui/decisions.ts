import type { Explanation } from '@/api/types'

/** What each code of a decision means, as internal/access has them; a test there compares them. */
const sentences: Record<string, string> = {
  granted: 'A grant holds now.',
  malformed_target: 'This is no host and port.',
  no_tunneler: 'This is no tunneler of this trust domain.',
  no_resource: 'No resource covers this host and port, so nobody reaches it.',
  not_granted: 'A resource covers it, and no grant of the most specific one is for this tunneler.',
  outside_schedule: 'A grant is for this tunneler, but not at this hour.',
  grant_ended: 'A grant was for this tunneler, and has ended.',
  address_unusable: 'No connection can be made to this address.',
  address_reserved:
    'This is a loopback, link-local or metadata address, which only a resource that names the very address reaches.',
  address_outside_network: 'This address is outside of the prefixes of the network.',
  address_not_granted: 'A resource covers this address, and no grant of it is for this tunneler.',
  no_policy: 'The connector has no policy yet, or one that is too old.',
  rules_not_understood: 'The policy has a rule that this version of the connector does not understand.',
  address_own: 'This address is that of a listener of the connector itself.',
}

/** Why a decision is as it is. */
export const sentenceOf = (code: string) => sentences[code] ?? `The code of the decision is ${code}.`

/** What else is to know: a grant is not enough for somebody who is not there. */
export function caveatOf(e: Pick<Explanation, 'allowed' | 'tunneler_enrolled'>): string {
  if (e.tunneler_enrolled) return ''
  return e.allowed
    ? 'No tunneler with this id is enrolled, so nobody uses this now.'
    : 'No tunneler with this id is enrolled.'
}
