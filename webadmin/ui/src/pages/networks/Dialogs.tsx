import { Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useCreateNetwork, useDeleteNetwork, useRenameNetwork } from '@/api/fleet'
import type { Network } from '@/api/types'
import { faultsAt } from '@/api/words'
import { Confirm } from '@/ui/Confirm'
import { FormDialog } from '@/ui/FormDialog'
import { say } from '@/ui/say'

const nameRule = '1 to 100 characters'

const says = {
  exists: 'A network has this id already.',
  revision: 'Somebody else changed this network meanwhile. Close this dialog and look at it again.',
}

export function CreateNetwork({ close }: { close: () => void }) {
  const [id, setID] = useState('')
  const [name, setName] = useState('')
  const create = useCreateNetwork()
  const faults = faultsAt(create.error, ['id', 'name'])
  const done = () => {
    say.done(`Created network ${id.trim()}.`)
    close()
  }
  return (
    <FormDialog
      title="Create network"
      action="Create"
      error={faults.rest}
      says={says}
      pending={create.isPending}
      close={close}
      submit={() => create.mutate({ id: id.trim(), name: name.trim() || undefined }, { onSuccess: done })}
    >
      <TextInput
        label="Id of the network"
        description="1 to 63 characters: lower-case letters, digits and dashes; a letter or digit first. It cannot be changed."
        placeholder="berlin"
        required
        data-autofocus
        autoComplete="off"
        spellCheck={false}
        value={id}
        onChange={(e) => setID(e.currentTarget.value)}
        error={faults.of('id')}
      />
      <TextInput
        label="Name (optional)"
        description={`${nameRule}; without one, the id is shown`}
        placeholder="Berlin office"
        maxLength={100}
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
        error={faults.of('name')}
      />
      <Text size="sm" c="dimmed">
        It has no connector then. Move one there on the connector's page, under Edit.
      </Text>
    </FormDialog>
  )
}

export function RenameNetwork({ network, close }: { network: Network; close: () => void }) {
  const [n] = useState(network) // with the revision whose name is shown
  const [name, setName] = useState(n.name)
  const rename = useRenameNetwork()
  const faults = faultsAt(rename.error, ['name'])
  const done = () => {
    say.done(`Renamed network ${n.id}.`)
    close()
  }
  return (
    <FormDialog
      title={`Rename network ${n.id}`}
      action="Rename"
      error={faults.rest}
      says={says}
      pending={rename.isPending}
      close={close}
      submit={() => rename.mutate({ id: n.id, body: { name: name.trim(), revision: n.revision } }, { onSuccess: done })}
    >
      <TextInput
        label="Name"
        description={`${nameRule}. The id stays, and nothing that uses it changes.`}
        required
        maxLength={100}
        data-autofocus
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
        error={faults.of('name')}
      />
    </FormDialog>
  )
}

export function DeleteNetwork({ network: n, close }: { network: Network; close: () => void }) {
  const remove = useDeleteNetwork()
  const used = n.connectors.total
  return (
    <Confirm
      title={`Delete network ${n.id}`}
      action="Delete network"
      barred={used > 0}
      pending={remove.isPending}
      error={remove.error}
      says={{ 'in-use': 'A connector was moved into this network meanwhile. Move it away or revoke it first.' }}
      close={close}
      confirm={() =>
        remove.mutate(n.id, {
          onSuccess: () => {
            say.done(`Deleted network ${n.id}.`)
            close()
          },
        })
      }
    >
      <Text size="sm">
        {used > 0
          ? `It has ${used.toLocaleString()} ${used === 1 ? 'connector' : 'connectors'}. Move them to another network or revoke them first.`
          : 'It has no connector, so nobody loses access. Its id can be used again.'}
      </Text>
    </Confirm>
  )
}
