import { ActionIcon, Menu, Text } from '@mantine/core'
import { IconDots } from '@tabler/icons-react'
import { useState } from 'react'
import { useChangePerson, useRemovePerson, useResetPerson } from '@/api/queries'
import type { Person, InvitedPerson } from '@/api/types'
import { Confirm } from '@/ui/Confirm'
import { say } from '@/ui/say'
import { roles } from './roles'

type ActionsProps = { person: Person; me: boolean; link: (l: InvitedPerson) => void }

/** What an owner can do to somebody. */
export function Actions({ person: p, me, link }: ActionsProps) {
  const [removing, setRemoving] = useState(false)
  const change = useChangePerson()
  const remove = useRemovePerson()
  const reset = useResetPerson()
  const saying = (message: string) => ({ onSuccess: () => say.done(message), onError: say.failure })
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${p.name}`}>
            <IconDots size={16} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>Role</Menu.Label>
          {roles
            .filter((r) => r.value !== p.role)
            .map((r) => (
              <Menu.Item
                key={r.value}
                onClick={() =>
                  change.mutate(
                    { id: p.id, body: { role: r.value } },
                    saying(`${p.name} is now ${r.label.toLowerCase()}.`),
                  )
                }
              >
                Make {r.label.toLowerCase()}
              </Menu.Item>
            ))}
          <Menu.Divider />
          {!p.oidc && (
            <Menu.Item onClick={() => reset.mutate(p.id, { onSuccess: link, onError: say.failure })}>
              New setup link…
            </Menu.Item>
          )}
          {!me && (
            <>
              <Menu.Item
                onClick={() =>
                  change.mutate(
                    { id: p.id, body: { disabled: !p.disabled } },
                    saying(p.disabled ? `${p.name} may sign in again.` : `${p.name} is disabled and signed out.`),
                  )
                }
              >
                {p.disabled ? 'Enable' : 'Disable'}
              </Menu.Item>
              <Menu.Item color="red" onClick={() => setRemoving(true)}>
                Remove…
              </Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      {removing && (
        <Confirm
          title={`Remove ${p.name}`}
          action="Remove person"
          pending={remove.isPending}
          error={remove.error}
          close={() => setRemoving(false)}
          confirm={() => remove.mutate(p.id, { onSuccess: () => say.done(`Removed ${p.name}.`) })}
        >
          <Text size="sm">Their sessions end at once. What they did stays in the audit log.</Text>
        </Confirm>
      )}
    </>
  )
}
