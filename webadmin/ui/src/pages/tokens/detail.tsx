import { SimpleGrid } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from 'react-router'
import { token } from '@/api/queries'
import { Mono } from '@/ui/Copy'
import { Failure } from '@/ui/Failure'
import { Facts, Loading, PageHead, Section } from '@/ui/Page'
import { Progress } from '@/ui/Progress'
import { Ago, fullTime } from '@/ui/time'
import { RevokeToken } from './RevokeToken'
import { TokenState } from './TokenState'

export function Page() {
  const { id = '' } = useParams()
  const { data: t, error, refetch } = useQuery(token(id))
  const up = { to: '/tokens', label: 'Enrollment tokens' }
  if (error || !t) {
    return (
      <>
        <PageHead title={id} up={up} />
        {error ? <Failure error={error} retry={() => refetch()} /> : <Loading />}
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
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Section title="Token">
          <Facts
            of={[
              ['Token id', <Mono key="id" value={t.token_id} label="token id" />],
              ['Created', <Ago key="created" at={t.created_at} />],
              ['Created by', t.created_by],
              ['Expires', fullTime(t.expires_at)],
              ['Only from', t.source_cidr || 'anywhere'],
              ['Replaces a live host', t.replace ? 'yes' : 'no'],
              ...(t.delivery ? [['Delivery', t.delivery] as [string, string]] : []),
              ...(t.redeemed_at ? [['Redeemed', fullTime(t.redeemed_at)] as [string, string]] : []),
              ...(t.revoked_at ? [['Revoked', fullTime(t.revoked_at)] as [string, string]] : []),
            ]}
          />
        </Section>
        <Progress tokenID={t.token_id} kind={t.kind} id={t.id} />
      </SimpleGrid>
    </>
  )
}
