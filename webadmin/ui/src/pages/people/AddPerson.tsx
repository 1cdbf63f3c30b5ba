import { Button, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useAddPerson } from '@/api/queries'
import type { RoleName, InvitedPerson } from '@/api/types'
import { Failure } from '@/ui/Failure'
import { roles } from './roles'

export function AddPerson({ close, done }: { close: () => void; done: (l: InvitedPerson) => void }) {
  const [name, setName] = useState('')
  const [email, setEmail] = useState('')
  const [role, setRole] = useState<RoleName>('auditor')
  const add = useAddPerson()
  return (
    <Modal opened onClose={close} title="Add person">
      <form
        onSubmit={(e) => {
          e.preventDefault()
          add.mutate({ name, email, role }, { onSuccess: done })
        }}
      >
        <Stack>
          <TextInput
            label="Name"
            required
            data-autofocus
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
            autoComplete="off"
          />
          <TextInput
            label="Email"
            type="email"
            required
            value={email}
            onChange={(e) => setEmail(e.currentTarget.value)}
            autoComplete="off"
          />
          <Select
            label="Role"
            data={roles}
            value={role}
            allowDeselect={false}
            onChange={(v) => setRole((v ?? 'auditor') as RoleName)}
            description={roles.find((r) => r.value === role)?.about}
          />
          <Text size="sm" c="dimmed">
            You get a one-time link. The person opens it and chooses a password.
          </Text>
          {add.error && <Failure error={add.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={add.isPending}>
              Add
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
