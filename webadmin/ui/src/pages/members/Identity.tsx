import { Anchor } from '@mantine/core'
import { Link } from 'react-router'
import type { Kind, Member } from '@/api/types'
import { useCan } from '@/app/session'
import { Mono } from '@/ui/Copy'
import { Facts, Section } from '@/ui/Page'
import { Countdown } from '@/ui/time'

/** The SVID and host of a member. */
export function Identity({ kind, member: m }: { kind: Kind; member: Member }) {
  const seesRenewals = useCan('audit:read')
  return (
    <Section
      title="Identity"
      aside={
        seesRenewals && (
          <Anchor component={Link} to={`/audit/renewals?member=${encodeURIComponent(`${kind}/${m.id}`)}`} size="sm">
            All its SVIDs
          </Anchor>
        )
      }
    >
      <Facts
        of={[
          ['SPIFFE ID', <Mono key="id" value={m.spiffe_id} label="SPIFFE ID" />],
          [
            'SVID serial',
            m.svid.serial ? <Mono key="serial" value={m.svid.serial} label="serial" /> : 'not reported yet',
          ],
          [
            'Authority',
            m.svid.authority_id ? (
              <Mono key="authority" value={m.svid.authority_id} label="authority" />
            ) : (
              'not reported yet'
            ),
          ],
          ['Expires in', m.svid.not_after ? <Countdown key="expiry" to={m.svid.not_after} /> : 'not reported yet'],
          [
            'Host',
            m.host_id ? (
              <Link key="host" to={`/hosts/${encodeURIComponent(m.host_id)}`} className="mono wrap">
                {m.host_id}
              </Link>
            ) : (
              '–'
            ),
          ],
        ]}
      />
    </Section>
  )
}
