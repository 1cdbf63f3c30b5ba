import { SimpleGrid } from '@mantine/core'
import { useState } from 'react'
import type { CreatedToken, Kind } from '@/api/types'
import { PageHead, Section } from '@/ui/Page'
import { Progress } from '@/ui/Progress'
import { TokenDelivery } from './TokenDelivery'
import { TokenForm } from './TokenForm'

const about = {
  connector:
    'One command on a host inside the private network enrolls it. The token in it works once, for this id only.',
  tunneler: 'One command on the host that needs access enrolls it. The token in it works once, for this id only.',
}

/** Creates an enrollment token, hands it over and watches it being used. */
export function Enroll({ kind }: { kind: Kind }) {
  const [created, setCreated] = useState<CreatedToken | null>(null)
  const up = { to: `/${kind}s`, label: kind === 'connector' ? 'Connectors' : 'Tunnelers' }
  if (!created) {
    return (
      <>
        <PageHead title={`Add a ${kind}`} about={about[kind]} up={up} />
        <Section title="Enrollment token">
          <TokenForm kind={kind} done={setCreated} />
        </Section>
      </>
    )
  }
  return (
    <>
      <PageHead title={`Enroll ${created.kind} ${created.id}`} up={up} />
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <TokenDelivery created={created} />
        <Progress tokenID={created.token_id} kind={created.kind} id={created.id} />
      </SimpleGrid>
    </>
  )
}
