import { Button, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { grants, useDeleteResource } from '@/api/access'
import type { Resource } from '@/api/types'
import { Confirm, Consequences } from '@/ui/Confirm'
import { say } from '@/ui/say'

type DeleteProps = { resource: Resource; done?: () => void; compact?: boolean }

/** The button that deletes a resource, and its dialog. */
export function DeleteResource({ resource: r, done, compact }: DeleteProps) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button
        size={compact ? 'compact-xs' : 'sm'}
        variant={compact ? 'subtle' : 'light'}
        color="red"
        onClick={() => setOpen(true)}
        aria-label={`Delete resource ${r.id}`}
      >
        Delete
      </Button>
      {open && <Ask resource={r} close={() => setOpen(false)} done={done} />}
    </>
  )
}

function Ask({ resource: r, close, done }: DeleteProps & { close: () => void }) {
  const remove = useDeleteResource()
  const naming = useQuery(grants({ object: `resource/${r.id}`, page_size: 1 })).data?.total
  return (
    <Confirm
      title={`Delete resource ${r.id}`}
      action="Delete resource"
      barred={naming !== 0}
      pending={remove.isPending}
      error={remove.error}
      says={{ 'in-use': 'Somebody has granted it meanwhile. Withdraw that grant first.' }}
      close={close}
      confirm={() =>
        remove.mutate(r.id, {
          onSuccess: () => {
            say.done(`Deleted resource ${r.id}.`)
            close()
            done?.()
          },
        })
      }
    >
      {naming ? (
        <Text size="sm">
          {naming === 1 ? 'A grant names' : `${naming.toLocaleString()} grants name`} it. Withdraw{' '}
          {naming === 1 ? 'it' : 'them'} first.
        </Text>
      ) : (
        <Consequences
          of={[
            'Nobody reaches it by a grant of its labels any more, and open flows that only such a grant allowed end.',
            'If another resource covers the same hosts, such as a wildcard or a prefix, that one decides for them from now on.',
          ]}
        />
      )}
    </Confirm>
  )
}
