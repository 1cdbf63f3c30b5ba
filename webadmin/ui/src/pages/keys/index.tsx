import { Badge, Button, Group, Text } from '@mantine/core'
import { IconKey, IconPlus, IconTerminal2 } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useEndLogin } from '@/api/account'
import { useRevokeKey } from '@/api/changes'
import { keys, logins } from '@/api/queries'
import type { APIKey, CreatedKey } from '@/api/types'
import { useCan } from '@/app/session'
import { Confirm } from '@/ui/Confirm'
import { Actor } from '@/ui/Actor'
import { ReadFailure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { NotAllowed } from '@/ui/NotAllowed'
import { Once } from '@/ui/Once'
import { Empty, PageHead, Section } from '@/ui/Page'
import { Sessions } from '@/ui/Sessions'
import { say } from '@/ui/say'
import { Ago, Countdown } from '@/ui/time'
import { CreateKey } from './CreateKey'

export function Page() {
  if (useCan('keys:manage')) return <Keys />
  return (
    <>
      <PageHead title="API keys" />
      <NotAllowed to="manage API keys" role="admin" />
    </>
  )
}

function Keys() {
  const read = useQuery(keys)
  const { data, error } = read
  const [creating, setCreating] = useState(false)
  const [created, setCreated] = useState<CreatedKey | null>(null)
  const [revoking, setRevoking] = useState<APIKey | null>(null)
  const revoke = useRevokeKey()
  const create = (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
      Create key
    </Button>
  )
  const columns: Column<APIKey>[] = [
    {
      id: 'name',
      header: 'Name',
      cell: ({ row: { original: k } }) => (
        <Group gap={6}>
          {k.name}
          {k.declared && (
            <Badge color="gray" title="Only the controller's configuration changes this key (declared.api_key).">
              declared
            </Badge>
          )}
        </Group>
      ),
    },
    {
      id: 'permissions',
      header: 'Permissions',
      cell: ({ row }) => (
        <Group gap={4}>
          {row.original.scopes.map((p) => (
            <Badge key={p} color="gray" className="mono" fw={450}>
              {p}
            </Badge>
          ))}
        </Group>
      ),
    },
    { id: 'used', header: 'Last used', cell: ({ row }) => <Ago at={row.original.last_used_at} /> },
    { id: 'by', header: 'Created by', cell: ({ row }) => <Actor of={row.original.created_by} /> },
    {
      id: 'expires',
      header: 'Expires in',
      cell: ({ row: { original: k } }) =>
        k.status !== 'active' ? k.status : k.expires_at ? <Countdown to={k.expires_at} warn={7 * 86_400} /> : 'never',
    },
    {
      id: 'revoke',
      header: '',
      cell: ({ row: { original: k } }) =>
        k.status === 'active' &&
        !k.declared && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="red"
            onClick={() => setRevoking(k)}
            aria-label={`Revoke key ${k.name}`}
          >
            Revoke
          </Button>
        ),
    },
  ]
  return (
    <>
      <PageHead
        title="API keys"
        about="For programs. A key has only the permissions that you give it, and expires."
        actions={create}
      />
      <div className="surface" style={{ marginBottom: 'var(--mantine-spacing-md)' }}>
        <ReadFailure of={read} flush />
        {(!error || data) && (
          <Grid
            label="API keys"
            columns={columns}
            rows={data?.keys}
            rowKey={(k) => k.id}
            faded={(k) => k.status !== 'active'}
            empty={
              <Empty icon={IconKey} title="No key yet" action={create}>
                Create one for automation: give it only the permissions that the program needs.
              </Empty>
            }
          />
        )}
      </div>
      <CommandLines />
      {creating && (
        <CreateKey
          close={() => setCreating(false)}
          done={(k) => {
            setCreating(false)
            setCreated(k)
          }}
        />
      )}
      {created && (
        <Once title="The new API key" value={created.secret} label="key" close={() => setCreated(null)}>
          <Text size="sm">
            Send it as <code>Authorization: Bearer …</code>, or exchange it at <code>/oauth/token</code> for access
            tokens of 10 minutes (client id <span className="mono">{created.key.id}</span>).
          </Text>
        </Once>
      )}
      {revoking && (
        <Confirm
          title={`Revoke key ${revoking.name}`}
          action="Revoke key"
          pending={revoke.isPending}
          error={revoke.error}
          close={() => setRevoking(null)}
          confirm={() =>
            revoke.mutate(revoking.id, {
              onSuccess: () => {
                say.done(`Revoked the key ${revoking.name}.`)
                setRevoking(null)
              },
            })
          }
        >
          <Text size="sm">
            Programs that use it are refused at once. Access tokens that were issued for it stop working too.
          </Text>
        </Confirm>
      )}
    </>
  )
}

/** Command lines in which people signed in. Each has a token. */
function CommandLines() {
  const list = useQuery(logins)
  const end = useEndLogin()
  return (
    <Section title="Signed-in command lines" flush>
      <ReadFailure of={list} flush />
      {(!list.error || list.data) && (
        <Sessions
          label="Command lines"
          whose
          sessions={list.data?.sessions}
          empty={
            <Empty icon={IconTerminal2} title="No command line is signed in">
              Run <code className="whole">grpccontroller login</code> where you work. It shows a code and the address to
              type it at.
            </Empty>
          }
          end={(s) =>
            end.mutate(s.id, { onSuccess: () => say.done('The command line is signed out.'), onError: say.failure })
          }
        />
      )}
    </Section>
  )
}
