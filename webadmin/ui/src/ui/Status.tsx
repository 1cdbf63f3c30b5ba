import { Badge, Group, Text } from '@mantine/core'
import type { Member } from '@/api/types'

const colors = { good: 'var(--good)', warn: 'var(--warn)', bad: 'var(--bad)', quiet: 'var(--quiet)' }

export type Tone = keyof typeof colors

/** A state as shape and word; the colour only repeats them. */
export function State({ tone, label, hollow }: { tone: Tone; label: string; hollow?: boolean }) {
  return (
    <Group gap={7} wrap="nowrap" display="inline-flex" c={colors[tone]}>
      <span className="dot" data-hollow={hollow || undefined} aria-hidden="true" />
      <Text span size="sm" c="inherit" fw={520}>
        {label}
      </Text>
    </Group>
  )
}

/** Whether a member or host is ONLINE, OFFLINE or REVOKED. */
export function Presence({ of }: { of: Pick<Member, 'status' | 'revoked_at'> }) {
  if (of.revoked_at) return <State tone="bad" label="REVOKED" hollow />
  return of.status === 'ONLINE' ? <State tone="good" label="ONLINE" /> : <State tone="quiet" label="OFFLINE" hollow />
}

/** The status of a connector or tunneler. */
export function MemberStatus({ member }: { member: Member }) {
  return (
    <Group gap={8} wrap="nowrap" display="inline-flex">
      <Presence of={member} />
      {'refusal' in member && member.refusal && <Badge color="red">refuses policy</Badge>}
      {member.contested && <Badge color="red">contested</Badge>}
      {member.cloned && <Badge color="red">cloned</Badge>}
    </Group>
  )
}
