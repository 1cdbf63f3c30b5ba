import type { Token } from '@/api/types'
import { State } from '@/ui/Status'

const tones = { pending: 'warn', redeemed: 'good', expired: 'quiet', revoked: 'bad' } as const

export function TokenState({ token: t }: { token: Token }) {
  return <State tone={tones[t.state] ?? 'quiet'} label={t.state} hollow={t.state !== 'redeemed'} />
}
