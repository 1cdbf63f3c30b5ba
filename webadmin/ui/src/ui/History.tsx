import { Anchor, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { audit } from '@/api/queries'
import { useCan } from '@/app/session'
import { Events } from './Events'
import { ReadFailure } from './Failure'
import { Loading, Section } from './Page'

/** What the audit log says about a connector, a tunneler or a resource. */
export function History({ kind, id }: { kind: 'connector' | 'tunneler' | 'resource'; id: string }) {
  const may = useCan('audit:read')
  const target = `${kind}/${id}`
  const page = useQuery({ ...audit({ target, page_size: 20 }), enabled: may })
  if (!may) return null
  return (
    <Section
      title="History"
      aside={
        <Anchor component={Link} to={`/audit?target=${encodeURIComponent(target)}`} size="sm">
          All in the audit log
        </Anchor>
      }
    >
      <ReadFailure of={page} />
      {page.isPending && <Loading />}
      {page.data?.events.length === 0 && (
        <Text size="sm" c="dimmed">
          The audit log has no event about this {kind}.
        </Text>
      )}
      {!!page.data?.events.length && <Events events={page.data.events} />}
    </Section>
  )
}
