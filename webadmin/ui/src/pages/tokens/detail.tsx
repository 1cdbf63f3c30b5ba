import { SimpleGrid } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from 'react-router'
import { isPassing } from '@/api/client'
import { token } from '@/api/queries'
import type { Token } from '@/api/types'
import { Actor } from '@/ui/Actor'
import { Mono } from '@/ui/Copy'
import { ReadFailure } from '@/ui/Failure'
import { Facts, Loading, PageHead, Section } from '@/ui/Page'
import { Progress } from '@/ui/Progress'
import { Ago, fullTime } from '@/ui/time'
import { useEnrollment } from '@/ui/useEnrollment'
import { RevokeToken } from './RevokeToken'
import { TokenState } from './TokenState'

const deliveries: Record<string, string> = {
  plain: 'shown to the operator',
  sealed: 'sealed to the host',
  claim: 'claim link',
  request: 'none: the host requested enrollment and was approved',
}

function Following({ token: t }: { token: Token }) {
  return <Progress enrollment={useEnrollment(t.token_id, t.kind, t.id)} kind={t.kind} id={t.id} />
}

export function Page() {
  const { id = '' } = useParams()
  const read = useQuery(token(id))
  const { data: t, error } = read
  const up = { to: '/tokens', label: 'Enrollment tokens' }
  const failure = error && (
    <ReadFailure of={read} says={{ 'not-found': 'No enrollment token has this id. Was the address copied whole?' }} />
  )
  if (!t || (error && !isPassing(error))) {
    return (
      <>
        <PageHead title={id} up={up} />
        {failure || <Loading />}
      </>
    )
  }
  return (
    <>
      <PageHead
        title={`Token for ${t.kind} ${t.id}`}
        up={up}
        badge={<TokenState token={t} />}
        actions={<RevokeToken token={t} />}
      />
      {failure}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Section title="Token">
          <Facts
            of={[
              ['Token id', <Mono key="id" value={t.token_id} label="token id" />],
              ['Created', <Ago key="created" at={t.created_at} />],
              ['Created by', <Actor key="by" of={t.created_by} />],
              ['Expires', fullTime(t.expires_at)],
              ['Allowed from', t.source_cidr || 'anywhere'],
              ['Replaces an enrolled host', t.replace ? 'yes' : 'no'],
              t.delivery && ['Delivery', deliveries[t.delivery] ?? t.delivery],
              t.recipient && ['Sealed to', t.recipient],
              t.redeemed_at && ['Redeemed', fullTime(t.redeemed_at)],
              t.revoked_at && ['Revoked', fullTime(t.revoked_at)],
            ]}
          />
        </Section>
        <Following token={t} />
      </SimpleGrid>
    </>
  )
}
