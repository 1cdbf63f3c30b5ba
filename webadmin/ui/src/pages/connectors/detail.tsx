import { Anchor, SimpleGrid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from 'react-router'
import { attached, connector } from '@/api/queries'
import { Mono } from '@/ui/Copy'
import { Failure } from '@/ui/Failure'
import { History } from '@/ui/member/History'
import { Identity } from '@/ui/member/Identity'
import { Revoke } from '@/ui/member/Revoke'
import { Warnings } from '@/ui/member/Warnings'
import { Facts, Loading, PageHead, Section } from '@/ui/Page'
import { MemberStatus } from '@/ui/Status'
import { Ago, Since } from '@/ui/time'

const shown = 12

export function Page() {
  const { id = '' } = useParams()
  const { data: c, error, refetch } = useQuery(connector(id))
  const up = { to: '/connectors', label: 'Connectors' }
  if (error) {
    return (
      <>
        <PageHead title={id} up={up} />
        <Failure error={error} retry={() => refetch()} />
      </>
    )
  }
  if (!c) {
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
        title={c.id}
        up={up}
        badge={<MemberStatus member={c} />}
        actions={
          <Revoke
            kind="connector"
            member={c}
            consequences={[
              'its control stream and every tunneler session through it are closed at once;',
              'its registration entry is deleted, and the SPIRE agent of its host is banned if the host has no other role;',
              'its current SVID is refused from now on, and expires by itself;',
              'tunnelers attached to it move to another connector of the network, if there is one.',
            ]}
          />
        }
      />
      <Warnings kind="connector" member={c} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Stack gap="md">
          <Identity member={c} />
          <Section title="Connection">
            <Facts
              of={[
                ['Stream age', <Since key="stream" at={c.stream_since} none="no stream is open" />],
                ['Last seen', <Ago key="seen" at={c.last_seen} />],
                [
                  'Remote address',
                  c.remote_address ? <Mono key="remote" value={c.remote_address} label="remote address" /> : '–',
                ],
                ['Private IP', c.private_ip ? <Mono key="ip" value={c.private_ip} label="private IP" /> : '–'],
                [
                  'Tunnelers reach it at',
                  c.addresses.length ? <Addresses key="addresses" of={c.addresses} /> : 'no address reported',
                ],
                ...(c.network ? [['Network', c.network] as [string, string]] : []),
                ['Version', c.version || '–'],
                ['Policy revision', String(c.policy_revision)],
                ['Enrolled', <Ago key="enrolled" at={c.enrolled_at} />],
              ]}
            />
          </Section>
        </Stack>
        <Stack gap="md">
          <Attached id={c.id} />
          <History kind="connector" id={c.id} />
        </Stack>
      </SimpleGrid>
    </>
  )
}

function Addresses({ of }: { of: string[] }) {
  return of.map((a) => <Mono key={a} value={a} label={`address ${a}`} />)
}

function Attached({ id }: { id: string }) {
  const page = useQuery(attached(id))
  const list = page.data?.sessions
  const count = list && `${list.length.toLocaleString()}${page.data?.more ? ' or more' : ''}`
  return (
    <Section
      title="Tunnelers attached"
      aside={
        <Anchor component={Link} to={`/tunnelers?q=${encodeURIComponent(id)}`} size="sm">
          {count ? `All ${count}` : 'All'}
        </Anchor>
      }
    >
      {page.error && <Failure error={page.error} retry={() => page.refetch()} />}
      {page.isPending && <Loading lines={3} />}
      {list?.length === 0 && (
        <Text size="sm" c="dimmed">
          No tunneler has a session with this connector now.
        </Text>
      )}
      <Stack gap={6}>
        {list?.slice(0, shown).map((s) => (
          <Text key={s.tunneler} size="sm" style={{ display: 'flex', justifyContent: 'space-between', gap: 12 }}>
            <Link to={`/tunnelers/${encodeURIComponent(s.tunneler)}`} className="mono wrap plain">
              {s.tunneler}
            </Link>
            <Text span c="dimmed" size="sm">
              <Since at={s.since} none="–" />
            </Text>
          </Text>
        ))}
        {list && list.length > shown && (
          <Text size="sm" c="dimmed">
            and {(list.length - shown).toLocaleString()} more
          </Text>
        )}
      </Stack>
    </Section>
  )
}
