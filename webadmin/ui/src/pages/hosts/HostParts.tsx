import { Badge, Group } from '@mantine/core'
import { Link } from 'react-router'
import type { Host } from '@/api/types'
import { Id } from '@/ui/Id'
import { State } from '@/ui/Status'

export function HostStatus({ host: h }: { host: Host }) {
  return (
    <Group gap={8} display="inline-flex">
      {h.revoked_at ? (
        <State tone="bad" label="REVOKED" hollow />
      ) : h.status === 'ONLINE' ? (
        <State tone="good" label="ONLINE" />
      ) : (
        <State tone="quiet" label="OFFLINE" hollow />
      )}
      {h.contested_at && <Badge color="red">contested</Badge>}
      {h.ephemeral && <Badge color="gray">ephemeral</Badge>}
    </Group>
  )
}

/** What runs on a host, each with the way to it. */
export function HostMembers({ host: h }: { host: Host }) {
  if (!h.members.length) return <>none</>
  return (
    <Group gap="xs" display="inline-flex">
      {h.members.map((m) => (
        <Link key={m.kind + m.id} to={`/${m.kind}s/${encodeURIComponent(m.id)}`}>
          {m.kind} <Id of={m.id} />
        </Link>
      ))}
    </Group>
  )
}
