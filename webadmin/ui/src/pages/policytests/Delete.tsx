import { Button } from '@mantine/core'
import { useState } from 'react'
import { useDeletePolicyTest } from '@/api/access'
import type { PolicyTest } from '@/api/types'
import { Confirm, Consequences } from '@/ui/Confirm'
import { whoOf } from '@/ui/policytests'
import { say } from '@/ui/say'

/** The button that deletes a policy test, and its dialog. */
export function DeletePolicyTest({ test: t }: { test: PolicyTest }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button
        size="compact-xs"
        variant="subtle"
        color="red"
        onClick={() => setOpen(true)}
        aria-label={`Delete policy test ${t.id}`}
      >
        Delete
      </Button>
      {open && <Ask test={t} close={() => setOpen(false)} />}
    </>
  )
}

function Ask({ test, close }: { test: PolicyTest; close: () => void }) {
  const [t] = useState(test)
  const remove = useDeletePolicyTest()
  const { about, name } = whoOf(t.subject)
  return (
    <Confirm
      title={`Delete policy test ${t.id}`}
      action="Delete policy test"
      pending={remove.isPending}
      error={remove.error}
      says={{ 'not-found': 'Somebody else has deleted it meanwhile. Close this dialog.' }}
      close={close}
      confirm={() =>
        remove.mutate(t.id, {
          onSuccess: () => {
            say.done(`Deleted policy test ${t.id}.`)
            close()
          },
        })
      }
    >
      <Consequences
        of={[
          'Who reaches what stays as it is.',
          `A later change is not refused any more because of this test: ${about} ${name} may then ${t.expect === 'reach' ? 'lose' : 'get'} access to ${t.target}.`,
        ]}
      />
    </Confirm>
  )
}
