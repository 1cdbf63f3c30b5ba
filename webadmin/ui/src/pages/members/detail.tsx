import { Box, SimpleGrid, Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from 'react-router'
import { isPassing } from '@/api/client'
import { member } from '@/api/members'
import type { Kind } from '@/api/types'
import { GrantsOf } from '@/pages/grants/GrantsOf'
import { About } from '@/ui/About'
import { ReadFailure } from '@/ui/Failure'
import { History } from '@/ui/History'
import { Loading, PageHead } from '@/ui/Page'
import { MemberStatus } from '@/ui/Status'
import { Attached, ConnectorFacts } from './Connector'
import { Identity } from './Identity'
import { Revoke } from './Revoke'
import { Sessions, TunnelerFacts } from './Tunneler'
import { Warnings } from './Warnings'
import { wordsOf } from './words'

/** One connector, or one tunneler. */
export function Page({ kind }: { kind: Kind }) {
  const { id = '' } = useParams()
  const read = useQuery(member(kind, id))
  const { data: m, error } = read
  const up = { to: `/${kind}s`, label: wordsOf[kind].title }
  const failure = error && (
    <ReadFailure of={read} says={{ 'not-found': `No ${kind} has this id. Was it enrolled under another one?` }} />
  )
  if (!m || (error && !isPassing(error))) {
    return (
      <>
        <PageHead title={id} up={up} />
        {failure || <Loading lines={9} />}
      </>
    )
  }
  return (
    <>
      <PageHead title={m.id} up={up} badge={<MemberStatus member={m} />} actions={<Revoke kind={kind} member={m} />} />
      {failure}
      <Warnings kind={kind} member={m} />
      {'sessions' in m && (
        <Box mb="md">
          <GrantsOf kind="tunneler" id={m.id} labels={m.labels} final={!!m.revoked_at} />
        </Box>
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Stack gap="md">
          <About
            kind={kind}
            id={m.id}
            of={m}
            network={'network_id' in m ? m.network_id : undefined}
            list={`/${kind}s`}
            final={!!m.revoked_at}
          />
          <Identity kind={kind} member={m} />
          {'sessions' in m && <Sessions tunneler={m} />}
          {'sessions' in m ? <TunnelerFacts tunneler={m} /> : <ConnectorFacts connector={m} />}
        </Stack>
        <Stack gap="md">
          {kind === 'connector' && <Attached id={m.id} />}
          <History kind={kind} id={m.id} />
        </Stack>
      </SimpleGrid>
    </>
  )
}
