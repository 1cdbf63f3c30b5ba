import { Badge, Button, Group, Stack, Text } from '@mantine/core'
import { IconPlus, IconUsers } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useEndSession } from '@/api/account'
import { allSessions, people } from '@/api/queries'
import type { Person, InvitedPerson } from '@/api/types'
import { useCan, useSession } from '@/app/session'
import { ReadFailure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { NotAllowed } from '@/ui/NotAllowed'
import { Once } from '@/ui/Once'
import { Empty, PageHead, Section } from '@/ui/Page'
import { Sessions } from '@/ui/Sessions'
import { say } from '@/ui/say'
import { Ago } from '@/ui/time'
import { Actions } from './Actions'
import { AddPerson } from './AddPerson'
import { Roles } from './Roles'

export function Page() {
  if (useCan('people:manage')) return <People />
  return (
    <>
      <PageHead title="People" />
      <NotAllowed to="manage people" role="owner" />
    </>
  )
}

function People() {
  const list = useQuery(people)
  const sessions = useQuery(allSessions)
  const me = useSession()?.person.id
  const end = useEndSession()
  const [adding, setAdding] = useState(false)
  const [link, setLink] = useState<InvitedPerson | null>(null)
  const columns: Column<Person>[] = [
    {
      id: 'name',
      header: 'Name',
      cell: ({ row: { original: p } }) => (
        <Group gap={6}>
          {p.name} {p.id === me && <Badge>you</Badge>} {p.invited && <Badge color="yellow">invited</Badge>}{' '}
          {p.disabled && <Badge color="gray">disabled</Badge>}{' '}
          {p.declared && (
            <Badge color="gray" title="Only the controller's configuration changes this person (declared.owner).">
              declared
            </Badge>
          )}
        </Group>
      ),
    },
    { id: 'email', header: 'Email', cell: ({ row }) => <span className="wrap">{row.original.email}</span> },
    { id: 'role', header: 'Role', cell: ({ row }) => row.original.role },
    {
      id: 'sign-in',
      header: 'Signs in with',
      cell: ({ row: { original: p } }) =>
        p.oidc ? 'identity provider' : p.invited ? 'not yet' : p.totp ? 'password and authenticator' : 'password only',
    },
    { id: 'last', header: 'Last sign-in', cell: ({ row }) => <Ago at={row.original.last_sign_in_at} /> },
    {
      id: 'actions',
      header: '',
      // Another owner changes your account; the configuration changes declared people.
      cell: ({ row: { original: p } }) => p.id !== me && !p.declared && <Actions person={p} link={setLink} />,
    },
  ]
  return (
    <>
      <PageHead
        title="People"
        about="The people who may sign in here, and their roles."
        actions={
          <Button leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
            Add person
          </Button>
        }
      />
      <Stack gap="md">
        <ReadFailure of={list} />
        {(!list.error || list.data) && (
          <div className="surface">
            <Grid
              label="People"
              columns={columns}
              rows={list.data?.people}
              rowKey={(p) => p.id}
              faded={(p) => !!p.disabled}
              empty={
                <Empty icon={IconUsers} title="No people">
                  Add somebody.
                </Empty>
              }
            />
          </div>
        )}
        <Section title="Roles">
          <Roles />
        </Section>
        <Section title="Sessions" flush>
          <ReadFailure of={sessions} flush />
          {(!sessions.error || sessions.data) && (
            <Sessions
              label="Sessions of everybody"
              whose
              sessions={sessions.data?.sessions}
              end={(s) =>
                end.mutate(s.id, { onSuccess: () => say.done('The session has ended.'), onError: say.failure })
              }
            />
          )}
        </Section>
      </Stack>
      {adding && (
        <AddPerson
          close={() => setAdding(false)}
          done={(l) => {
            setAdding(false)
            setLink(l)
          }}
        />
      )}
      {link && (
        <Once title="One-time setup link" value={link.setup_url} label="setup link" close={() => setLink(null)}>
          <Text size="sm">
            Send it to the person over a channel that you trust: the first one who opens it chooses the password.
          </Text>
          {link.link_warning && (
            <Text size="sm" c="var(--warn)">
              Careful: {link.link_warning}.
            </Text>
          )}
        </Once>
      )}
    </>
  )
}
