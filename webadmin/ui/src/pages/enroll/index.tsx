import { SimpleGrid } from '@mantine/core'
import { useState } from 'react'
import { useSearchParams } from 'react-router'
import type { CreatedToken, Kind } from '@/api/types'
import { useCan } from '@/app/session'
import { needsSecret } from '@/ui/enrollment'
import { Leaving } from '@/ui/leaving'
import { NotAllowed } from '@/ui/NotAllowed'
import { PageHead, Section } from '@/ui/Page'
import { Progress } from '@/ui/Progress'
import { useEnrollment } from '@/ui/useEnrollment'
import { Next, NotShownAgain, Spent } from './After'
import { TokenDelivery } from './TokenDelivery'
import { TokenForm } from './TokenForm'

const about = {
  connector:
    'One command on a host inside the private network enrolls it. The token in it works once, for this id only.',
  tunneler: 'One command on the host that needs access enrolls it. The token in it works once, for this id only.',
}

/** Creates an enrollment token, shows it and follows the enrollment. The address has the token's id. */
export function Page({ kind }: { kind: Kind }) {
  const [created, setCreated] = useState<CreatedToken | null>(null)
  const [params, setParams] = useSearchParams()
  const may = useCan('tokens:write')
  const up = { to: `/${kind}s`, label: kind === 'connector' ? 'Connectors' : 'Tunnelers' }
  const [tokenID, id] = [params.get('token'), params.get('id')]
  if (tokenID && id) {
    const shown = created?.token_id === tokenID ? created : null
    return (
      <>
        <PageHead title={`Enroll ${kind} ${id}`} up={up} />
        <Watch key={tokenID} tokenID={tokenID} kind={kind} id={id} created={shown} />
      </>
    )
  }
  return (
    <>
      <PageHead title={`Add a ${kind}`} about={about[kind]} up={up} />
      {may ? (
        <Section title="Enrollment token">
          <TokenForm
            kind={kind}
            done={(c) => {
              setCreated(c)
              window.scrollTo(0, 0) // the button was at the end of the form
              setParams({ token: c.token_id, id: c.id }, { replace: true })
            }}
          />
        </Section>
      ) : (
        <NotAllowed to="create enrollment tokens" role="operator" />
      )}
    </>
  )
}

type WatchProps = { tokenID: string; kind: Kind; id: string; created: CreatedToken | null }

function Watch({ tokenID, kind, id, created }: WatchProps) {
  const enrollment = useEnrollment(tokenID, kind, id)
  const { stage } = enrollment
  const wanted = needsSecret(stage)
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
      {stage === 'online' && <Next kind={kind} id={id} />}
      {!wanted && stage !== 'online' && <Spent kind={kind} stage={stage} />}
      {wanted && (created ? <TokenDelivery created={created} /> : <NotShownAgain tokenID={tokenID} />)}
      <Progress enrollment={enrollment} kind={kind} id={id} />
      {wanted && created && (
        <Leaving
          loses="The token cannot be shown again. Copy the command or the link first, or create a new token later."
          stays={({ search }) => new URLSearchParams(search).get('token') === tokenID}
        />
      )}
    </SimpleGrid>
  )
}
