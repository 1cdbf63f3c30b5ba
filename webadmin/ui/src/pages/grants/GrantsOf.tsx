import { Anchor, Button, Group, Text } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQueries } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { Link } from 'react-router'
import { grants } from '@/api/access'
import { useCan } from '@/app/session'
import { ReadFailure } from '@/ui/Failure'
import { Grid } from '@/ui/Grid'
import { Loading, Section } from '@/ui/Page'
import { useNow } from '@/ui/time'
import { CreateGrant } from './Form'
import { grantColumns } from './Parts'
import { hasEnded, referencesTo } from './reference'

/** So many grants for each reference can be read at a glance; the list has the others. */
const most = 20

type GrantsOfProps = { kind: 'tunneler' | 'resource'; id: string; labels?: Record<string, string>; final?: boolean }

/** The grants for a tunneler or of a resource, by its id and by each of its labels. */
export function GrantsOf({ kind, id, labels, final }: GrantsOfProps) {
  const side = kind === 'tunneler' ? 'subject' : 'object'
  const read = useQueries({
    queries: referencesTo(kind, id, labels).map((ref) => grants({ [side]: ref, page_size: most })),
  })
  const may = useCan('fleet:write')
  const columns = useMemo(() => grantColumns(may), [may])
  const now = useNow()
  const [creating, setCreating] = useState(false)
  const rows = read.flatMap((r) => r.data?.grants ?? [])
  const more = read.reduce((n, r) => n + (r.data ? r.data.total - r.data.grants.length : 0), 0)
  const there = read.every((r) => r.data)
  return (
    <Section
      title="Grants"
      flush={rows.length > 0}
      aside={
        <Group gap="sm">
          <Anchor component={Link} to={`/reach?${kind}=${encodeURIComponent(id)}`} size="sm">
            As a picture
          </Anchor>
          {may && !final && (
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<IconPlus size={14} />}
              onClick={() => setCreating(true)}
              aria-label={`Create grant for ${kind} ${id}`}
            >
              Grant
            </Button>
          )}
        </Group>
      }
    >
      <ReadFailure of={read} flush={rows.length > 0} />
      {!there && !read.some((r) => r.error) && <Loading lines={3} />}
      {(there || rows.length > 0) && (
        <Grid
          label="Grants"
          columns={columns}
          rows={rows}
          rowKey={(g) => g.id}
          faded={(g) => hasEnded(g, now)}
          empty={
            <Text size="sm" c="dimmed">
              {kind === 'tunneler'
                ? 'No grant is for this tunneler, so it reaches nothing.'
                : 'No grant is of this resource, so nobody reaches it.'}
            </Text>
          }
        />
      )}
      {more > 0 && (
        <Text size="sm" p="md" c="dimmed">
          {more.toLocaleString()} more are in the list of <Link to="/grants">all grants</Link>.
        </Text>
      )}
      {creating && <CreateGrant {...{ [kind]: id }} close={() => setCreating(false)} />}
    </Section>
  )
}
