import { Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from 'react-router'
import { host } from '@/api/queries'
import { Mono } from '@/ui/Copy'
import { About } from '@/ui/About'
import { ReadFailure } from '@/ui/Failure'
import { Facts, Loading, PageHead, Section } from '@/ui/Page'
import { Ago, fullTime } from '@/ui/time'
import { HostMembers, HostStatus } from './HostParts'

export function Page() {
  const { id = '' } = useParams()
  const read = useQuery(host(id))
  const { data: h, error } = read
  const up = { to: '/hosts', label: 'Hosts' }
  return (
    <>
      <PageHead title={id} up={up} badge={h && <HostStatus host={h} />} />
      <ReadFailure
        of={read}
        says={{ 'not-found': 'No host has this id. A host that enrolls again gets another one.' }}
      />
      {!h && !error && <Loading />}
      {h && (
        <Stack gap="md">
          <Section title="Host">
            <Facts
              of={[
                ['Host id', <Mono key="id" value={h.id} label="host id" />],
                ['Reported hostname', h.hostname || '–'],
                [
                  'SPIRE agent',
                  h.agent_id ? <Mono key="agent" value={h.agent_id} label="agent id" /> : 'has not attested yet',
                ],
                ['Roles', <HostMembers key="members" host={h} />],
                ['Enrolled', <Ago key="enrolled" at={h.enrolled_at} />],
                ['Last seen', <Ago key="seen" at={h.last_seen} />],
                ['Attested by', h.ephemeral ? 'a SPIRE join token (ephemeral)' : 'its host certificate'],
                h.contested_at && ['Contested', `a second key tried its token on ${fullTime(h.contested_at)}`],
                h.revoked_at && ['Revoked', fullTime(h.revoked_at)],
              ]}
            />
          </Section>
          <About kind="host" id={h.id} of={h} list="/hosts" final={!!h.revoked_at} />
        </Stack>
      )}
    </>
  )
}
