import { Button, Text } from '@mantine/core'
import { useState } from 'react'
import { useRevokeToken } from '@/api/changes'
import type { Token } from '@/api/types'
import { useCan } from '@/app/session'
import { Confirm } from '@/ui/Confirm'
import { say } from '@/ui/say'

export function RevokeToken({ token: t, compact }: { token: Token; compact?: boolean }) {
  const [open, setOpen] = useState(false)
  const revoke = useRevokeToken()
  if (!useCan('tokens:write') || t.status !== 'pending') return null
  const name = `token for ${t.kind} ${t.id}`
  return (
    <>
      <Button
        color="red"
        variant={compact ? 'subtle' : 'light'}
        size={compact ? 'compact-xs' : 'sm'}
        onClick={() => setOpen(true)}
        aria-label={`Revoke ${name}`}
      >
        Revoke
      </Button>
      {open && (
        <Confirm
          title={`Revoke ${name}`}
          action="Revoke token"
          pending={revoke.isPending}
          error={revoke.error}
          close={() => setOpen(false)}
          confirm={() =>
            revoke.mutate(t.token_id, {
              onSuccess: () => {
                say.done(`Revoked the ${name}.`)
                setOpen(false)
              },
            })
          }
        >
          <Text size="sm">The token can no longer be redeemed. Hosts that are already enrolled stay enrolled.</Text>
        </Confirm>
      )}
    </>
  )
}
