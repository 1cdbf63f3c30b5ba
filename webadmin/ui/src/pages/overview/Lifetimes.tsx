import { Group, Progress, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { lifetimes } from '@/api/queries'
import type { Kind, Member } from '@/api/types'
import { ReadFailure } from '@/ui/Failure'
import { Loading, Section } from '@/ui/Page'
import { Countdown, useNow } from '@/ui/time'

const each = 4

/** The SVIDs that expire next: SPIRE renews each at half of its life. */
export function Lifetimes() {
  const c = useQuery(lifetimes('connector'))
  const t = useQuery(lifetimes('tunneler'))
  const error = c.error ?? t.error
  const none = c.data && t.data && !c.data.members.length && !t.data.members.length
  const seen = (c.data?.members.length ?? 0) + (t.data?.members.length ?? 0)
  const all = (c.data?.total ?? 0) + (t.data?.total ?? 0)
  return (
    <Section
      title="SVID lifetimes"
      aside={
        <Text size="xs" c="dimmed">
          {all > seen
            ? `next to expire of ${seen.toLocaleString()} of ${all.toLocaleString()} online`
            : 'online, next to expire'}
        </Text>
      }
    >
      <ReadFailure of={[c, t]} />
      {!error && (c.isPending || t.isPending) && <Loading lines={6} />}
      {none && (
        <Text size="sm" c="dimmed">
          No connector or tunneler is online. The SVIDs of those that are appear here, the next to expire first.
        </Text>
      )}
      <Group gap="xl" align="flex-start" grow preventGrowOverflow={false}>
        <Lives kind="connector" members={c.data?.members} />
        <Lives kind="tunneler" members={t.data?.members} />
      </Group>
    </Section>
  )
}

const ends = (m: Member) => Date.parse(m.svid.not_after ?? '')

function Lives({ kind, members }: { kind: Kind; members?: Member[] }) {
  const now = useNow()
  const known = (members ?? []).filter((m) => m.svid.not_after).sort((a, b) => ends(a) - ends(b))
  const last = known.at(-1)
  if (!last) return null
  const longest = Math.max(ends(last) - now, 1)
  return (
    <Stack gap={10} miw={210}>
      <Text size="xs" c="dimmed" fw={560} component="h3">
        {kind === 'connector' ? 'Connectors' : 'Tunnelers'}
      </Text>
      {known.slice(0, each).map((m) => (
        <div key={m.id}>
          <Group justify="space-between" gap="xs" wrap="nowrap">
            <Link to={`/${kind}s/${encodeURIComponent(m.id)}`} className="mono wrap plain" style={{ fontSize: 12.5 }}>
              {m.id}
            </Link>
            <Text size="xs" style={{ whiteSpace: 'nowrap' }}>
              <Countdown to={m.svid.not_after} />
            </Text>
          </Group>
          <Progress
            size={4}
            mt={4}
            value={(100 * Math.max(0, ends(m) - now)) / longest}
            aria-label={`Remaining lifetime of the SVID of ${m.id}, compared with the longest one`}
          />
        </div>
      ))}
      {known.length > each && (
        <Text size="xs" c="dimmed">
          longest: <Countdown to={last.svid.not_after} /> left
        </Text>
      )}
    </Stack>
  )
}
