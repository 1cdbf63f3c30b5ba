import { Button, Text } from '@mantine/core'
import { IconBan } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useChange } from '@/api/changes'
import { client, data } from '@/api/client'
import { host, networks } from '@/api/queries'
import type { Kind, Member } from '@/api/types'
import { useCan } from '@/app/session'
import { Confirm, Consequences } from '@/ui/Confirm'
import { say } from '@/ui/say'
import { consequencesOf } from './consequences'

const useRevokeMember = (kind: Kind) =>
  useChange(
    (id: string) =>
      kind === 'connector'
        ? data(client.DELETE('/api/admin/connectors/{id}', { params: { path: { id } } }))
        : data(client.DELETE('/api/admin/tunnelers/{id}', { params: { path: { id } } })),
    'connectors',
    'tunnelers',
    'hosts',
    'status',
  )

type RevokeProps = { kind: Kind; member: Member }

/** The button that revokes a member, and its dialog. */
export function Revoke({ kind, member }: RevokeProps) {
  const [open, setOpen] = useState(false)
  if (!useCan('members:revoke') || member.revoked_at) return null
  return (
    <>
      <Button color="red" variant="light" leftSection={<IconBan size={16} />} onClick={() => setOpen(true)}>
        Revoke
      </Button>
      {open && <Ask kind={kind} member={member} close={() => setOpen(false)} />}
    </>
  )
}

function Ask({ kind, member, close }: RevokeProps & { close: () => void }) {
  const revoke = useRevokeMember(kind)
  const on = useQuery(host(member.host_id)).data
  const all = useQuery({ ...networks, enabled: kind === 'connector' }).data
  const network = 'network_id' in member ? all?.networks.find((n) => n.id === member.network_id) : undefined
  return (
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
      <Consequences of={consequencesOf(kind, member, { host: on, network })} />
      <Text size="sm">
        It cannot be undone. To enroll the host again, create a new token for this id and run{' '}
        <code className="whole">enroll --new-host</code> there.
      </Text>
    </Confirm>
  )
}
