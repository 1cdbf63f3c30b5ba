import { Group, Skeleton, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { flowTotals } from '@/api/flows'
import { bytes } from '@/ui/bytes'
import { ReadFailure } from '@/ui/Failure'

/** How many flows are open, and what those of the last day carried. */
export function FlowsNow() {
  const read = useQuery(flowTotals)
  const t = read.data
  return (
    <section className="surface" aria-label="Flows" style={{ padding: '14px 16px' }}>
      <Group justify="space-between" align="baseline">
        <Text size="sm" c="dimmed" component="h2" fw={520}>
          Flows open now
        </Text>
        <Text size="sm">
          <Link to="/flows">All that are over</Link>
        </Text>
      </Group>
      <ReadFailure of={read} />
      {!t && !read.error && <Skeleton height={62} mt={6} />}
      {t && (
        <>
          <Text fz={30} fw={620} lh={1.25} className="numbers" lts="-0.02em">
            {t.open.toLocaleString()}
          </Text>
          <Text size="sm" className="numbers">
            {t.day.flows.toLocaleString()} in 24 hours: {bytes(t.day.bytes_up)} to targets, {bytes(t.day.bytes_down)}{' '}
            from them
          </Text>
          <Text size="sm" className="numbers" c={t.day.refused ? 'var(--warn)' : 'dimmed'}>
            {t.day.refused.toLocaleString()} refused, {t.day.failed.toLocaleString()} failed
          </Text>
        </>
      )}
    </section>
  )
}
