import { SimpleGrid, Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from 'react-router'
import { tunneler } from '@/api/queries'
import { Mono } from '@/ui/Copy'
import { Failure } from '@/ui/Failure'
import { History } from '@/ui/member/History'
import { Identity } from '@/ui/member/Identity'
import { Revoke } from '@/ui/member/Revoke'
import { Warnings } from '@/ui/member/Warnings'
import { Facts, Loading, PageHead, Section } from '@/ui/Page'
import { MemberStatus } from '@/ui/Status'
import { Ago, Since } from '@/ui/time'

export function Page() {
  const { id = '' } = useParams()
  const { data: t, error, refetch } = useQuery(tunneler(id))
  const up = { to: '/tunnelers', label: 'Tunnelers' }
  if (error) {
    return (
      <>
        <PageHead title={id} up={up} />
        <Failure error={error} retry={() => refetch()} />
      </>
    )
  }
  if (!t) {
    return (
      <>
        <PageHead title={id} up={up} />
        <Loading lines={9} />
      </>
    )
  }
  return (
    <>
      <PageHead
        title={t.id}
        up={up}
        badge={<MemberStatus member={t} />}
        actions={
          <Revoke
            kind="tunneler"
            member={t}
            consequences={[
              'every connector closes its session and the connections inside it;',
              'its registration entry is deleted, and the SPIRE agent of its host is banned if the host has no other role;',
              'its current SVID is refused from now on, and expires by itself;',
              'the host has no access to your networks until it is enrolled again.',
            ]}
          />
        }
      />
      <Warnings kind="tunneler" member={t} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Stack gap="md">
          <Identity member={t} />
          <Section title="Session">
            <Facts
              of={[
                [
                  'Connector',
                  t.connector_id ? (
                    <Link key="c" to={`/connectors/${encodeURIComponent(t.connector_id)}`} className="mono">
                      {t.connector_id}
                    </Link>
                  ) : (
                    'never attached'
                  ),
                ],
                ['Session age', <Since key="session" at={t.session_since} none="no session is open" />],
                ['Reported by', t.reported_by ? <span className="mono">{t.reported_by}</span> : 'no connector yet'],
                ['Last seen', <Ago key="seen" at={t.last_seen} />],
                [
                  'Remote address',
                  t.remote_address ? <Mono key="remote" value={t.remote_address} label="remote address" /> : '–',
                ],
                ['Version', t.version || '–'],
                ['Enrolled', <Ago key="enrolled" at={t.enrolled_at} />],
              ]}
            />
          </Section>
        </Stack>
        <History kind="tunneler" id={t.id} />
      </SimpleGrid>
    </>
  )
}
