import { Badge, Group } from '@mantine/core'
import { Link } from 'react-router'
import type { Host } from '@/api/types'
import { Id } from '@/ui/Id'
import { Presence } from '@/ui/Status'

export function HostStatus({ host: h }: { host: Host }) {
  return (
    <Group gap={8} display="inline-flex">
      <Presence of={h} />
      {h.contested_at && <Badge color="red">contested</Badge>}
      {h.ephemeral && <Badge color="gray">ephemeral</Badge>}
    </Group>
  )
}

/** The members on a host, with links. */
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
