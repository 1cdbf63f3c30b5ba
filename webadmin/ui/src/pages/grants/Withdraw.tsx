import { Button } from '@mantine/core'
import { useState } from 'react'
import { useWithdrawGrant } from '@/api/access'
import type { Grant } from '@/api/types'
import { Confirm, Consequences } from '@/ui/Confirm'
import { say } from '@/ui/say'
import { referenceOf } from './reference'

/** The button that withdraws a grant, and its dialog. */
export function Withdraw({ grant: g }: { grant: Grant }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button
        size="compact-xs"
        variant="subtle"
        color="red"
        onClick={() => setOpen(true)}
        aria-label={`Withdraw grant ${g.id}`}
      >
        Withdraw
      </Button>
      {open && <Ask grant={g} close={() => setOpen(false)} />}
    </>
  )
}

function Ask({ grant, close }: { grant: Grant; close: () => void }) {
  const [g] = useState(grant)
  const withdraw = useWithdrawGrant()
  return (
    <Confirm
      title={`Withdraw grant ${g.id}`}
      action="Withdraw grant"
      pending={withdraw.isPending}
      error={withdraw.error}
      says={{ 'not-found': 'Somebody else has withdrawn it meanwhile. Close this dialog.' }}
      close={close}
      confirm={() =>
        withdraw.mutate(g.id, {
          onSuccess: () => {
            say.done(`Withdrew grant ${g.id}.`)
            close()
          },
        })
      }
    >
      <Consequences
        of={[
          `${sides(g)[0]} no longer ${referenceOf(g.subject).kind === 'label' ? 'reach' : 'reaches'} ${sides(g)[1]} by this grant. What other grants allow stays.`,
          'Connectors that are connected to the controller learn of it, usually within a second, refuse new flows, and end the open flows that no other grant allows.',
          'A connector that is not connected learns of it when it is connected again.',
        ]}
      />
    </Confirm>
  )
}

/** Both sides of a grant, in words. */
function sides(g: Grant): [string, string] {
  const [subject, object] = [referenceOf(g.subject), referenceOf(g.object)]
  return [
    subject.kind === 'label' ? `All tunnelers with ${subject.value}` : `Tunneler ${subject.value}`,
    object.kind === 'label' ? `the resources with ${object.value}` : `the resource ${object.value}`,
  ]
}
