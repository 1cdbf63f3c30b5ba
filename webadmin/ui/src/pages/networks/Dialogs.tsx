import { TagsInput, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useChangeNetwork, useCreateNetwork, useDeleteNetwork } from '@/api/fleet'
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
  const [prefixes, setPrefixes] = useState<string[]>([])
  const create = useCreateNetwork()
  const faults = faultsAt(create.error, ['id', 'name', 'prefixes'])
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
      submit={() =>
        create.mutate(
          { id: id.trim(), name: name.trim() || undefined, prefixes: prefixes.length ? prefixes : undefined },
          { onSuccess: done },
        )
      }
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
      <Prefixes value={prefixes} set={setPrefixes} fault={faults.of('prefixes')} />
      <Text size="sm" c="dimmed">
        It has no connector then. Move one there on the connector's page, under Edit.
      </Text>
    </FormDialog>
  )
}

export function EditNetwork({ network, close }: { network: Network; close: () => void }) {
  const [n] = useState(network) // with the revision whose values are shown
  const [name, setName] = useState(n.name)
  const [prefixes, setPrefixes] = useState(n.prefixes ?? [])
  const change = useChangeNetwork()
  const faults = faultsAt(change.error, ['name', 'prefixes'])
  const done = () => {
    say.done(`Saved network ${n.id}.`)
    close()
  }
  return (
    <FormDialog
      title={`Edit network ${n.id}`}
      action="Save"
      error={faults.rest}
      says={says}
      pending={change.isPending}
      close={close}
      submit={() =>
        change.mutate({ id: n.id, body: { name: name.trim(), prefixes, revision: n.revision } }, { onSuccess: done })
      }
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
      <Prefixes value={prefixes} set={setPrefixes} fault={faults.of('prefixes')} />
    </FormDialog>
  )
}

function Prefixes({ value, set, fault }: { value: string[]; set: (v: string[]) => void; fault?: string }) {
  return (
    <TagsInput
      label="Declared prefixes (optional)"
      description="Where the names of its resources may lead to, such as 10.1.0.0/16; press Enter after each. A name that leads elsewhere is refused. Without any, those are the private addresses."
      placeholder={value.length ? undefined : '10.1.0.0/16'}
      value={value}
      onChange={set}
      splitChars={[',', ' ']}
      acceptValueOnBlur
      clearable={false}
      error={fault}
    />
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
      says={{
        'in-use':
          'A connector or resource is in this network. Move the connector away or revoke it, and delete the resource first.',
      }}
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
          : 'It has no connector, so nobody loses access. Resources must be deleted before. Its id can be used again.'}
      </Text>
    </Confirm>
  )
}
