import { Button, Group, SimpleGrid, Stack } from '@mantine/core'
import { IconPlugConnected } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { lazy, Suspense } from 'react'
import { Link } from 'react-router'
import { status } from '@/api/queries'
import { patient } from '@/app/code'
import { useCan } from '@/app/session'
import { ReadFailure } from '@/ui/Failure'
import { Empty, PageHead } from '@/ui/Page'
import { Activity } from './Activity'
import { Attention } from './Attention'
import { ChartsWaiting } from './ChartsWaiting'
import { FlowsNow } from './FlowsNow'
import { Lifetimes } from './Lifetimes'
import { Topology } from './Topology'
import { Totals } from './Totals'

// The charting library is the greatest part of the page and the last that is needed: it
// is not asked for before the numbers are there.
const Charts = lazy(() => patient('the charts', () => import('./Charts')))

export function Page() {
  const now = useQuery(status)
  const mayCreate = useCan('tokens:write')
  const seesAudit = useCan('audit:read')
  const empty = now.data?.connectors.total === 0 && now.data.tunnelers.total === 0
  return (
    <>
      <PageHead title="Overview" />
      <Stack gap="md">
        <ReadFailure of={now} />
        <Attention status={now.data} />
        <Totals status={now.data} />
        {seesAudit && !empty && <FlowsNow />}
        {empty ? (
          <div className="surface">
            <Empty
              icon={IconPlugConnected}
              title="Nothing is enrolled yet"
              action={
                mayCreate && (
                  <Group justify="center">
                    <Button component={Link} to="/connectors/new">
                      Add the first connector
                    </Button>
                    <Button component={Link} to="/tunnelers/new" variant="default">
                      Add a tunneler
                    </Button>
                  </Group>
                )
              }
            >
              Start with a connector inside a private network, then add tunnelers on the hosts that need access.
            </Empty>
          </div>
        ) : (
          <>
            <Topology status={now.data} />
            {now.data ? (
              <Suspense fallback={<ChartsWaiting />}>
                <Charts />
              </Suspense>
            ) : (
              <ChartsWaiting />
            )}
          </>
        )}
        <SimpleGrid cols={{ base: 1, md: seesAudit && !empty ? 2 : 1 }} spacing="md">
          {seesAudit && <Activity />}
          {!empty && <Lifetimes />}
        </SimpleGrid>
      </Stack>
    </>
  )
}
