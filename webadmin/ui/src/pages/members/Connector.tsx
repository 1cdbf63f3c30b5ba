import { Anchor, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from 'react-router'
import { attached } from '@/api/queries'
import type { Connector } from '@/api/types'
import { Mono } from '@/ui/Copy'
import { ReadFailure } from '@/ui/Failure'
import { Facts, Loading, Section } from '@/ui/Page'
import { Ago, Since } from '@/ui/time'

/** How a connector is connected, and where tunnelers reach it. */
export function ConnectorFacts({ connector: c }: { connector: Connector }) {
  return (
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
          c.network_id && ['Network', c.network_id],
          ['Version', c.version || '–'],
          ['Policy revision', String(c.policy_revision)],
          ['Enrolled', <Ago key="enrolled" at={c.enrolled_at} />],
        ]}
      />
    </Section>
  )
}

function Addresses({ of }: { of: string[] }) {
  return of.map((a) => <Mono key={a} value={a} label={`address ${a}`} />)
}

const shown = 12

/** The tunnelers that have a session with a connector. */
export function Attached({ id }: { id: string }) {
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
      <ReadFailure of={page} />
      {page.isPending && <Loading lines={3} />}
      {list?.length === 0 && (
        <Text size="sm" c="dimmed">
          No tunneler has a session with this connector now. A tunneler that may use its network opens one by itself.
        </Text>
      )}
      <Stack gap={6}>
        {list?.slice(0, shown).map((s) => (
          <Text key={s.tunneler} size="sm" style={{ display: 'flex', justifyContent: 'space-between', gap: 12 }}>
            <Link to={`/tunnelers/${encodeURIComponent(s.tunneler)}`} className="mono wrap plain">
              {s.tunneler}
            </Link>
            <Text span c="dimmed" size="sm" style={{ flex: 'none' }}>
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
