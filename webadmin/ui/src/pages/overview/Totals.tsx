import { Group, SimpleGrid, Skeleton, Text } from '@mantine/core'
import { Link } from 'react-router'
import type { Count, Status } from '@/api/types'
import { State } from '@/ui/Status'

/** How many of each kind are there, and how many of them online. */
export function Totals({ status }: { status?: Status }) {
  return (
    <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="md">
      <Total label="Connectors" path="/connectors" count={status?.connectors} />
      <Total label="Tunnelers" path="/tunnelers" count={status?.tunnelers} />
    </SimpleGrid>
  )
}

function Total({ label, path, count }: { label: string; path: string; count?: Count }) {
  const share = count?.total ? count.online / count.total : 0
  return (
    <section className="surface" aria-label={label} style={{ padding: '14px 16px' }}>
      <Group justify="space-between" align="baseline">
        <Text size="sm" c="dimmed" component="h2" fw={520}>
          {label}
        </Text>
        <Text size="sm">
          <Link to={path}>{count ? `${count.total.toLocaleString()} in all` : 'All'}</Link>
        </Text>
      </Group>
      {count ? (
        <>
          <Text fz={30} fw={620} lh={1.25} className="numbers" lts="-0.02em">
            {count.online.toLocaleString()}
          </Text>
          <Group gap="lg">
            <Link to={`${path}?status=ONLINE`} style={{ textDecoration: 'none' }}>
              <State tone="good" label="online" />
            </Link>
            <Link to={`${path}?status=OFFLINE`} style={{ textDecoration: 'none' }}>
              <State
                tone={count.offline ? 'warn' : 'quiet'}
                hollow
                label={`${count.offline.toLocaleString()} offline`}
              />
            </Link>
          </Group>
          <svg width="100%" height="5" aria-hidden="true" style={{ display: 'block', marginTop: 12, borderRadius: 3 }}>
            <rect width="100%" height="5" fill="var(--line)" />
            <rect width={`${share * 100}%`} height="5" fill="var(--good)" />
          </svg>
        </>
      ) : (
        <Skeleton height={62} mt={6} />
      )}
    </section>
  )
}
