import { ActionIcon, Checkbox, Menu, Text } from '@mantine/core'
import { IconDots } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useChangePerson, useRemovePerson, useResetPerson } from '@/api/changes'
import { keys } from '@/api/queries'
import type { Person, InvitedPerson } from '@/api/types'
import { Confirm } from '@/ui/Confirm'
import { say } from '@/ui/say'
import { roles } from './roles'

type ActionsProps = { person: Person; link: (l: InvitedPerson) => void }

/** What an owner can do to somebody else. */
export function Actions({ person: p, link }: ActionsProps) {
  const [removing, setRemoving] = useState(false)
  const [disabling, setDisabling] = useState(false)
  const [resetting, setResetting] = useState(false)
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
                    saying(
                      `${p.name} is now ${r.label.toLowerCase()}. Their API keys with more permissions were revoked.`,
                    ),
                  )
                }
              >
                Make {r.label.toLowerCase()}
              </Menu.Item>
            ))}
          <Menu.Divider />
          {!p.oidc && <Menu.Item onClick={() => setResetting(true)}>New setup link…</Menu.Item>}
          {p.disabled ? (
            <Menu.Item
              onClick={() =>
                change.mutate({ id: p.id, body: { disabled: false } }, saying(`${p.name} may sign in again.`))
              }
            >
              Enable
            </Menu.Item>
          ) : (
            <Menu.Item onClick={() => setDisabling(true)}>Disable…</Menu.Item>
          )}
          <Menu.Item color="var(--bad)" onClick={() => setRemoving(true)}>
            Remove…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {resetting && (
        <Confirm
          title={`New setup link for ${p.name}`}
          action="Make a setup link"
          pending={reset.isPending}
          error={reset.error}
          close={() => setResetting(false)}
          confirm={() =>
            reset.mutate(p.id, {
              onSuccess: (l) => {
                setResetting(false)
                link(l)
              },
            })
          }
        >
          <Text size="sm">
            The password, second factor and sessions of {p.name} end now. Anybody who has the new link can sign in as{' '}
            {p.name}.
          </Text>
        </Confirm>
      )}
      {removing && (
        <End
          person={p}
          title={`Remove ${p.name}`}
          action="Remove person"
          pending={remove.isPending}
          error={remove.error}
          close={() => setRemoving(false)}
          confirm={(keys) => remove.mutate({ id: p.id, keys }, { onSuccess: () => say.done(`Removed ${p.name}.`) })}
        />
      )}
      {disabling && (
        <End
          person={p}
          title={`Disable ${p.name}`}
          action="Disable"
          pending={change.isPending}
          error={change.error}
          close={() => setDisabling(false)}
          confirm={(keys) =>
            change.mutate(
              { id: p.id, body: { disabled: true, keys } },
              {
                onSuccess: () => {
                  setDisabling(false)
                  say.done(`${p.name} is disabled and signed out.`)
                },
              },
            )
          }
        />
      )}
    </>
  )
}

type EndProps = {
  person: Person
  title: string
  action: string
  pending: boolean
  error: unknown
  close: () => void
  confirm: (keys: 'revoke' | 'keep') => void
}

/** Asks before a person's access ends, and whether to revoke the API keys they created. */
function End({ person, title, action, pending, error, close, confirm }: EndProps) {
  const [revoke, setRevoke] = useState(true)
  const list = useQuery(keys)
  const made = list.data?.keys.filter((k) => k.created_by === `person:${person.id}` && k.status === 'active') ?? []
  return (
    <Confirm
      title={title}
      action={action}
      pending={pending}
      error={error}
      close={close}
      confirm={() => confirm(revoke ? 'revoke' : 'keep')}
    >
      <Text size="sm">Their sessions end at once. What they did stays in the audit log.</Text>
      {(made.length > 0 || !list.data) && (
        <Checkbox
          checked={revoke}
          onChange={(e) => setRevoke(e.currentTarget.checked)}
          label={made.length ? `Revoke the API keys they made (${made.length})` : 'Revoke the API keys they made'}
          description={
            made.length
              ? `${made.map((k) => k.name).join(', ')}, and keys that these made. Programs that use them stop working.`
              : 'Programs that use them stop working.'
          }
        />
      )}
    </Confirm>
  )
}
