import { Anchor, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { audit } from '@/api/queries'
import { Events } from '@/ui/Events'
import { ReadFailure } from '@/ui/Failure'
import { Loading, Section } from '@/ui/Page'

/** The newest events. */
export function Activity() {
  const page = useQuery(audit({ page_size: 9 }))
  return (
    <Section
      title="Latest activity"
      aside={
        <Anchor component={Link} to="/audit" size="sm">
          Audit log
        </Anchor>
      }
    >
      <ReadFailure of={page} />
      {page.isPending && <Loading lines={6} />}
      {page.data?.events.length === 0 && (
        <Text size="sm" c="dimmed">
          No event yet. Enrollments, sign-ins and changes appear here.
        </Text>
      )}
      {page.data && <Events events={page.data.events} />}
    </Section>
  )
}
