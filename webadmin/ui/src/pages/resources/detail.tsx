import { Button, Group, SimpleGrid, Stack } from '@mantine/core'
import { IconPencil } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useNavigate, useParams } from 'react-router'
import { resource } from '@/api/access'
import { isPassing } from '@/api/client'
import type { Resource } from '@/api/types'
import { useCan } from '@/app/session'
import { GrantsOf } from '@/pages/grants/GrantsOf'
import { LabelLinks } from '@/ui/About'
import { ReadFailure } from '@/ui/Failure'
import { History } from '@/ui/History'
import { Id } from '@/ui/Id'
import { Facts, Loading, PageHead, Section } from '@/ui/Page'
import { Ago } from '@/ui/time'
import { DeleteResource } from './Delete'
import { EditResource } from './Form'

/** One resource, and the grants of it. */
export function Page() {
  const { id = '' } = useParams()
  const read = useQuery(resource(id))
  const { data: r, error } = read
  const up = { to: '/resources', label: 'Resources' }
  const failure = error && <ReadFailure of={read} says={{ 'not-found': 'No resource has this id. Was it deleted?' }} />
  if (!r || (error && !isPassing(error))) {
    return (
      <>
        <PageHead title={id} up={up} />
        {failure || <Loading lines={7} />}
      </>
    )
  }
  return (
    <>
      <PageHead title={r.id} up={up} about={r.name === r.id ? undefined : r.name} actions={<Actions resource={r} />} />
      {failure}
      <Stack gap="md">
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
          <Section title="About">
            <Facts
              of={[
                ['Hosts', <Lines key="hosts" of={r.hosts} />],
                ['TCP ports', <Lines key="ports" of={r.ports} />],
                r.alias && ['Alias', <span className="mono wrap">{r.alias}</span>],
                r.proxy_protocol && ['PROXY protocol', r.proxy_protocol],
                [
                  'Network',
                  <Link key="network" to={`/networks?q=${encodeURIComponent(r.network_id)}`}>
                    <Id of={r.network_id} />
                  </Link>,
                ],
                ['Labels', <LabelLinks key="labels" of={{ labels: r.labels ?? {} }} list="/resources" />],
                ['Created', <Ago key="created" at={r.created_at} />],
              ]}
            />
          </Section>
          <Stack gap="md">
            <History kind="resource" id={r.id} />
          </Stack>
        </SimpleGrid>
        <GrantsOf kind="resource" id={r.id} labels={r.labels} />
      </Stack>
    </>
  )
}

function Lines({ of }: { of: string[] }) {
  return (
    <Stack gap={2}>
      {of.map((line) => (
        <span key={line} className="mono wrap">
          {line}
        </span>
      ))}
    </Stack>
  )
}

function Actions({ resource: r }: { resource: Resource }) {
  const [editing, setEditing] = useState(false)
  const navigate = useNavigate()
  if (!useCan('fleet:write')) return null
  return (
    <Group gap="xs">
      <Button
        variant="default"
        leftSection={<IconPencil size={16} />}
        onClick={() => setEditing(true)}
        aria-label={`Edit resource ${r.id}`}
      >
        Edit
      </Button>
      <DeleteResource resource={r} done={() => navigate('/resources')} />
      {editing && <EditResource resource={r} close={() => setEditing(false)} />}
    </Group>
  )
}
