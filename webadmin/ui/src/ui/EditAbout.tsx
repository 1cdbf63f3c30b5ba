import { Select, TagsInput, Textarea, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type Described, useChangeAbout } from '@/api/fleet'
import { networks } from '@/api/queries'
import type { About } from '@/api/types'
import { faultsAt } from '@/api/words'
import { FormDialog } from './FormDialog'
import { changeOf, faultOf, rule, textsOf } from './labels'
import { say } from './say'

export type EditProps = {
  kind: Described
  id: string
  of: About
  /** The network of a connector. */
  network?: string
  close: () => void
}

const says = {
  revision: 'Somebody else changed this meanwhile. Close this dialog, look at the change, and edit again.',
}

const fields = ['name', 'labels', 'notes', 'network_id']

/** Changes what operators say of a member or host; only what was changed here is sent. */
export function EditAbout({ kind, id, of: now, network, close }: EditProps) {
  // What was there when the dialog opened. The page reads on, and its newer revision would
  // let this overwrite a change that was never shown here.
  const [of] = useState(now)
  const [name, setName] = useState(of.name)
  const [labels, setLabels] = useState(textsOf(of.labels))
  const [notes, setNotes] = useState(of.notes)
  const [place, setPlace] = useState(network ?? '')
  const change = useChangeAbout(kind)
  const faults = faultsAt(change.error, fields)
  const fault = faultOf(labels)
  const submit = () => {
    const changed = changeOf(of.labels, labels)
    const body = {
      ...(name.trim() !== of.name && { name: name.trim() || null }),
      ...(notes !== of.notes && { notes: notes || null }),
      ...(Object.keys(changed).length > 0 && { labels: changed }),
      ...(network !== undefined && place !== network && { network_id: place }),
    }
    if (!Object.keys(body).length) return close()
    change.mutate(
      { id, body: { ...body, revision: of.revision } },
      {
        onSuccess: () => {
          say.done(`Saved ${kind} ${id}.`)
          close()
        },
      },
    )
  }
  return (
    <FormDialog
      title={`Edit ${kind} ${id}`}
      action="Save"
      size="lg"
      pending={change.isPending}
      error={faults.rest}
      says={says}
      barred={!!fault}
      close={close}
      submit={submit}
    >
      <TextInput
        label="Name"
        description="What people call it; up to 100 characters. It decides nothing about access."
        maxLength={100}
        data-autofocus
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
        error={faults.of('name')}
      />
      <TagsInput
        label="Labels"
        description={rule}
        placeholder={labels.length ? undefined : 'env=prod'}
        value={labels}
        onChange={setLabels}
        error={fault || faults.of('labels')}
        acceptValueOnBlur
        clearable={false}
      />
      {network !== undefined && <Place value={place} set={setPlace} fault={faults.of('network_id')} />}
      <Textarea
        label="Notes"
        description="Up to 2,000 characters. Do not write secrets here: everybody who sees the fleet reads it."
        autosize
        minRows={3}
        maxRows={8}
        maxLength={2000}
        value={notes}
        onChange={(e) => setNotes(e.currentTarget.value)}
        error={faults.of('notes')}
      />
    </FormDialog>
  )
}

function Place({ value, set, fault }: { value: string; set: (id: string) => void; fault?: string }) {
  const all = useQuery(networks).data?.networks ?? []
  return (
    <Select
      label="Network"
      description="Tunnelers learn of a move at once: they reach the other network through this connector then."
      data={all.map((n) => ({ value: n.id, label: n.name && n.name !== n.id ? `${n.name} (${n.id})` : n.id }))}
      value={value}
      allowDeselect={false}
      onChange={(v) => v !== null && set(v)}
      error={fault}
    />
  )
}
