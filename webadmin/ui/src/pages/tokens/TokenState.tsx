import type { Token } from '@/api/types'
import { State } from '@/ui/Status'

const tones = { pending: 'warn', redeemed: 'good', expired: 'quiet', revoked: 'bad' } as const

export function TokenState({ token: t }: { token: Token }) {
  return <State tone={tones[t.status] ?? 'quiet'} label={t.status} hollow={t.status !== 'redeemed'} />
}
