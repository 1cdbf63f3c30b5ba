import { Checkbox, Select, Stack, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useCreateKey } from '@/api/changes'
import type { CreatedKey, Permission } from '@/api/types'
import { faultsAt } from '@/api/words'
import { FormDialog } from '@/ui/FormDialog'

const permissions: { value: Permission; about: string }[] = [
  { value: 'fleet:read', about: 'see connectors, tunnelers, hosts, resources, grants, tokens and requests' },
  { value: 'fleet:write', about: 'name, label and move connectors, and change networks, resources and grants' },
  { value: 'tokens:write', about: 'create and revoke enrollment tokens' },
  { value: 'requests:decide', about: 'approve and deny hosts' },
  { value: 'members:revoke', about: 'revoke connectors and tunnelers' },
  { value: 'attention:dismiss', about: 'dismiss what needs attention' },
  { value: 'ca:rotate', about: 'rotate the certificate authority' },
  { value: 'audit:read', about: 'read and export the audit log' },
  { value: 'keys:manage', about: 'create and revoke API keys' },
  { value: 'people:manage', about: 'invite, change and remove people who have no more permissions than the key' },
  { value: 'settings:read', about: 'see the configuration' },
]

const lives = [
  { value: '168h', label: '7 days' },
  { value: '720h', label: '30 days' },
  { value: '2160h', label: '90 days' },
  { value: '8760h', label: '1 year' },
]

export function CreateKey({ close, done }: { close: () => void; done: (k: CreatedKey) => void }) {
  const [name, setName] = useState('')
  const [ttl, setTTL] = useState('2160h')
  const [given, setGiven] = useState<string[]>(['fleet:read'])
  const create = useCreateKey()
  const faults = faultsAt(create.error, ['name', 'scopes', 'ttl'])
  return (
    <FormDialog
      title="Create API key"
      action="Create"
      size="lg"
      pending={create.isPending}
      error={faults.rest}
      barred={!given.length}
      close={close}
      submit={() => create.mutate({ name: name.trim(), ttl, scopes: given as Permission[] }, { onSuccess: done })}
    >
      <TextInput
        label="Name"
        description="The program that uses the key, so that you know what stops when you revoke it; up to 100 characters"
        maxLength={100}
        error={faults.of('name')}
        required
        data-autofocus
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
        autoComplete="off"
      />
      <Checkbox.Group
        label="Permissions"
        description="At least one, and only what the program needs"
        value={given}
        onChange={setGiven}
        error={faults.of('scopes')}
      >
        <Stack gap={8} mt={6}>
          {permissions.map((p) => (
            <Checkbox
              key={p.value}
              value={p.value}
              label={<span className="mono">{p.value}</span>}
              description={p.about}
            />
          ))}
        </Stack>
      </Checkbox.Group>
      <Select
        label="Expires after"
        error={faults.of('ttl')}
        data={lives}
        value={ttl}
        allowDeselect={false}
        onChange={(v) => setTTL(v ?? '2160h')}
      />
    </FormDialog>
  )
}
