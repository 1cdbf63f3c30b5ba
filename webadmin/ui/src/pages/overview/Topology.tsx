import { Text } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { connectors } from '@/api/queries'
import type { Connector, Status } from '@/api/types'
import { Failure } from '@/ui/Failure'
import { Loading, Section } from '@/ui/Page'
import { Picture } from './Picture'

const most = 7

/**
 * The controller, the connectors with most tunnelers, and their tunnelers as
 * clusters: as readable with ten thousand as with three.
 */
export function Topology({ status }: { status?: Status }) {
  const page = useQuery(connectors({ sort: '-tunnelers', page_size: most }))
  const { ref, width } = useElementSize()
  const shown: Connector[] = page.data?.connectors ?? []
  return (
    <Section
      title="Topology"
      aside={
        <Text size="xs" c="dimmed">
          {status && status.connectors.total > most
            ? `the ${most} connectors with most tunnelers`
            : 'connectors and their tunnelers'}
        </Text>
      }
    >
      {page.error && <Failure error={page.error} retry={() => page.refetch()} />}
      {page.isPending && <Loading lines={6} />}
      <div ref={ref}>
        {status && page.data && width > 0 && <Picture status={status} connectors={shown} width={width} />}
      </div>
    </Section>
  )
}
