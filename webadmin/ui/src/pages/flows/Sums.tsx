import { Group, Skeleton, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { flowTotals } from '@/api/flows'
import { bytes } from '@/ui/bytes'
import { ReadFailure } from '@/ui/Failure'

/** How many flows are open, and what the last hour and day had. */
export function Sums() {
  const read = useQuery(flowTotals)
  const t = read.data
  return (
    <section className="surface" aria-label="Flows in all" style={{ padding: '14px 16px', marginBottom: 16 }}>
      <ReadFailure of={read} />
      {!t && !read.error && <Skeleton height={42} />}
      {t && (
        <Group gap="xl">
          <Figure label="Open now" value={t.open.toLocaleString()} />
          {(['hour', 'day'] as const).map((period) => (
            <Figure
              key={period}
              label={period === 'hour' ? 'Ended in the last hour' : 'Ended in the last 24 hours'}
              value={t[period].flows.toLocaleString()}
              more={`${bytes(t[period].bytes_up)} to targets, ${bytes(t[period].bytes_down)} from them, ${t[period].refused.toLocaleString()} refused, ${t[period].failed.toLocaleString()} failed`}
            />
          ))}
        </Group>
      )}
    </section>
  )
}

function Figure({ label, value, more }: { label: string; value: string; more?: string }) {
  return (
    <Stack gap={0}>
      <Text size="sm" c="dimmed">
        {label}
      </Text>
      <Text fz={22} fw={620} lh={1.25} className="numbers">
        {value}
      </Text>
      {more && (
        <Text size="xs" c="dimmed" className="numbers">
          {more}
        </Text>
      )}
    </Stack>
  )
}
