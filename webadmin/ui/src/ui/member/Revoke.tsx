import { Button, Text } from '@mantine/core'
import { IconBan } from '@tabler/icons-react'
import { type ReactNode, useState } from 'react'
import { useRevokeMember } from '@/api/queries'
import type { Kind, Member } from '@/api/types'
import { useCan } from '@/app/session'
import { Confirm, Consequences } from '@/ui/Confirm'
import { say } from '@/ui/say'

type RevokeProps = { kind: Kind; member: Member; consequences: ReactNode[] }

/** The button that revokes a member, and what it asks before. */
export function Revoke({ kind, member, consequences }: RevokeProps) {
  const [open, setOpen] = useState(false)
  const revoke = useRevokeMember(kind)
  if (!useCan('members:revoke') || member.revoked_at) return null
  const close = () => {
    setOpen(false)
    revoke.reset()
  }
  return (
    <>
      <Button color="red" variant="light" leftSection={<IconBan size={16} />} onClick={() => setOpen(true)}>
        Revoke
      </Button>
      {open && (
        <Confirm
          title={`Revoke ${kind} ${member.id}`}
          action={`Revoke ${kind}`}
          type={member.id}
          pending={revoke.isPending}
          error={revoke.error}
          close={close}
          confirm={() =>
            revoke.mutate(member.id, {
              onSuccess: () => {
                say.done(`Revoked ${kind} ${member.id}.`)
                close()
              },
            })
          }
        >
          <Text size="sm">
            This cannot be undone: to give access back you must enroll the host anew. When you revoke it:
          </Text>
          <Consequences of={consequences} />
        </Confirm>
      )}
    </>
  )
}
