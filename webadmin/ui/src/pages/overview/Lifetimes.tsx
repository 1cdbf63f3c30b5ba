import { Group, Progress, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { connectors, tunnelers } from '@/api/queries'
import type { Member } from '@/api/types'
import { Failure } from '@/ui/Failure'
import { Loading, Section } from '@/ui/Page'
import { Countdown, useNow } from '@/ui/time'

const each = 4
const soonest = { status: 'ONLINE', sort: 'svid_not_after', page_size: each }

/** The SVIDs that expire next: SPIRE renews each at half of its life. */
export function Lifetimes() {
  const c = useQuery(connectors(soonest))
  const t = useQuery(tunnelers(soonest))
  const error = c.error ?? t.error
  const none = c.data && t.data && !c.data.connectors.length && !t.data.tunnelers.length
  return (
    <Section
      title="SVID lifetimes"
      aside={
        <Text size="xs" c="dimmed">
          online, next to expire
        </Text>
      }
    >
      {error && <Failure error={error} />}
      {(c.isPending || t.isPending) && <Loading lines={6} />}
      {none && (
        <Text size="sm" c="dimmed">
          Nobody is online.
        </Text>
      )}
      <Group gap="xl" align="flex-start" grow preventGrowOverflow={false}>
        <Lives title="Connectors" path="/connectors" members={c.data?.connectors} />
        <Lives title="Tunnelers" path="/tunnelers" members={t.data?.tunnelers} />
      </Group>
    </Section>
  )
}

function Lives({ title, path, members }: { title: string; path: string; members?: Member[] }) {
  const now = useNow()
  const known = members?.filter((m) => m.svid.not_after)
  if (!known?.length) return null
  const longest = Math.max(...known.map((m) => Date.parse(m.svid.not_after ?? '') - now), 1)
  return (
    <Stack gap={10} miw={210}>
      <Text size="xs" c="dimmed" fw={560} component="h3">
        {title}
      </Text>
      {known.map((m) => (
        <div key={m.id}>
          <Group justify="space-between" gap="xs" wrap="nowrap">
            <Link to={`${path}/${encodeURIComponent(m.id)}`} className="mono wrap" style={{ fontSize: 12.5 }}>
              {m.id}
            </Link>
            <Text size="xs" style={{ whiteSpace: 'nowrap' }}>
              <Countdown to={m.svid.not_after} />
            </Text>
          </Group>
          <Progress
            size={4}
            mt={4}
            value={(100 * Math.max(0, Date.parse(m.svid.not_after ?? '') - now)) / longest}
            aria-label={`Life left of the SVID of ${m.id}`}
          />
        </div>
      ))}
    </Stack>
  )
}
