import { Select, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useAddPerson } from '@/api/changes'
import type { RoleName, InvitedPerson } from '@/api/types'
import { faultsAt } from '@/api/words'
import { FormDialog } from '@/ui/FormDialog'
import { roles } from './roles'

export function AddPerson({ close, done }: { close: () => void; done: (l: InvitedPerson) => void }) {
  const [name, setName] = useState('')
  const [email, setEmail] = useState('')
  const [role, setRole] = useState<RoleName>('auditor')
  const add = useAddPerson()
  const faults = faultsAt(add.error, ['name', 'email', 'role'])
  return (
    <FormDialog
      title="Add person"
      action="Add"
      pending={add.isPending}
      error={faults.rest}
      close={close}
      submit={() => add.mutate({ name: name.trim(), email: email.trim(), role }, { onSuccess: done })}
    >
      <TextInput
        label="Name"
        description="As others here know the person; up to 100 characters"
        maxLength={100}
        error={faults.of('name')}
        required
        data-autofocus
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
        autoComplete="off"
      />
      <TextInput
        label="Email"
        description="The person signs in with it. Nothing is sent to it."
        error={faults.of('email')}
        type="email"
        required
        value={email}
        onChange={(e) => setEmail(e.currentTarget.value)}
        autoComplete="off"
      />
      <Select
        label="Role"
        error={faults.of('role')}
        data={roles}
        value={role}
        allowDeselect={false}
        onChange={(v) => setRole((v ?? 'auditor') as RoleName)}
        description={roles.find((r) => r.value === role)?.about}
      />
      <Text size="sm" c="dimmed">
        You get a one-time link. The person opens it and chooses a password.
      </Text>
    </FormDialog>
  )
}
