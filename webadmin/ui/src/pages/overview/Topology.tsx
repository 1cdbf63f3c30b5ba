import { Text } from '@mantine/core'
import { useElementSize } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { connectors, networks, online } from '@/api/queries'
import type { Connector, Network, Status, Tunneler } from '@/api/types'
import { ReadFailure } from '@/ui/Failure'
import { Loading, Section } from '@/ui/Page'
import { type Node, Picture } from './Picture'

/** So many lines can be read at a glance. */
const most = 9

/**
 * The controller and what is connected to it: every connector with its tunnelers
 * while they are few, networks when they are many. A tunneler is at each connector that it has a session with.
 */
export function Topology({ status }: { status?: Status }) {
  const few = !!status && status.connectors.total <= most
  const members = useQuery({ ...connectors({ page_size: most }), enabled: few })
  // One page holds all tunnelers that are online, or they are too many to be drawn.
  const sessions = useQuery({ ...online, enabled: few })
  const groups = useQuery({ ...networks, enabled: !!status && !few })
  const { ref, width } = useElementSize()
  const error = members.error ?? sessions.error ?? groups.error
  const nodes = few
    ? members.data &&
      sessions.data &&
      nodesOfConnectors(members.data.connectors, sessions.data.tunnelers, !sessions.data.next_page_token)
    : groups.data && nodesOfNetworks(groups.data.networks)
  return (
    <Section
      title="Topology"
      aside={
        <Text size="xs" c="dimmed">
          {few ? 'connectors and the tunnelers at each' : 'networks and their connectors'}
        </Text>
      }
    >
      <ReadFailure of={[members, sessions, groups]} />
      {!nodes && !error && <Loading lines={6} />}
      {nodes?.length === 0 && (
        <Text size="sm" c="dimmed" mb="xs">
          No connector is enrolled, so no tunneler can reach a network. Add a connector under Connectors.
        </Text>
      )}
      {/* Until the picture is drawn anew for a narrower window, it must not widen the page. */}
      <div ref={ref} className="clipped">
        {status && nodes && width > 0 && <Picture status={status} nodes={nodes} width={width} />}
      </div>
    </Section>
  )
}

function nodesOfConnectors(list: Connector[], tunnelers: Tunneler[], all: boolean): Node[] {
  const at = new Map<string, number>()
  for (const t of tunnelers) for (const s of t.sessions) at.set(s.connector_id, (at.get(s.connector_id) ?? 0) + 1)
  return list.map((c) => ({
    key: c.id,
    label: c.id,
    online: c.status === 'ONLINE',
    path: `/connectors/${encodeURIComponent(c.id)}`,
    leaves: all ? { n: at.get(c.id) ?? 0, of: 'tunneler' } : undefined,
  }))
}

/** The greatest networks by name, and one line for the others. */
function nodesOfNetworks(list: Network[]): Node[] {
  const sorted = [...list].sort((a, b) => b.connectors.total - a.connectors.total || a.id.localeCompare(b.id))
  const named = sorted.length > most ? sorted.slice(0, most - 1) : sorted
  const others = sorted.slice(named.length)
  const nodes: Node[] = named.map((n) => ({
    key: n.id,
    label: n.name || n.id,
    online: n.connectors.online > 0,
    path: `/connectors?q=${encodeURIComponent(n.id)}`,
    leaves: { n: n.connectors.online, of: 'connector', offline: n.connectors.offline },
  }))
  if (!others.length) return nodes
  const sum = (of: (n: Network) => number) => others.reduce((total, n) => total + of(n), 0)
  nodes.push({
    key: '',
    label: `${others.length.toLocaleString()} more networks`,
    online: true,
    more: true,
    path: '/networks',
    leaves: { n: sum((n) => n.connectors.online), of: 'connector', offline: sum((n) => n.connectors.offline) },
  })
  return nodes
}
