import type { Member, Token } from '@/api/types'

/** How far the enrollment of a host has come with one token. */
export type Stage = 'waiting' | 'redeemed' | 'online' | 'expired' | 'revoked'

type Seen = Pick<Token, 'status' | 'host_id'>
type Known = Pick<Member, 'status' | 'revoked_at' | 'host_id'>

/**
 * The stage that a token and the member of its id are at. The member counts only if it
 * is on the host that redeemed this token: a token that replaces a host has the id of one
 * that may still be ONLINE.
 */
export function stageOf(token?: Seen, member?: Known): Stage {
  if (!token || token.status === 'pending') return 'waiting'
  if (token.status !== 'redeemed') return token.status
  const here = member?.status === 'ONLINE' && !member.revoked_at && member.host_id === token.host_id
  return here ? 'online' : 'redeemed'
}

/** Whether the host may still need the token's secret, so that the page has to show it. */
export const needsSecret = (stage: Stage) => stage === 'waiting' || stage === 'redeemed'
