import { Badge, Group, Text } from '@mantine/core'
import type { Member } from '@/api/types'

const colors = { good: 'var(--good)', warn: 'var(--warn)', bad: 'var(--bad)', quiet: 'var(--quiet)' }

export type Tone = keyof typeof colors

/** A state: shape and word say it, colour only repeats it. */
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

/** Where a connector or tunneler stands. */
export function MemberStatus({ member }: { member: Member }) {
  const revoked = !!member.revoked_at
  return (
    <Group gap={8} wrap="nowrap" display="inline-flex">
      {revoked ? (
        <State tone="bad" label="REVOKED" hollow />
      ) : member.status === 'ONLINE' ? (
        <State tone="good" label="ONLINE" />
      ) : (
        <State tone="quiet" label="OFFLINE" hollow />
      )}
      {'refusal' in member && member.refusal && <Badge color="red">refuses policy</Badge>}
      {member.contested && <Badge color="red">contested</Badge>}
      {member.cloned && <Badge color="red">cloned</Badge>}
    </Group>
  )
}
