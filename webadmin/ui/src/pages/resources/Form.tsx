import { Checkbox, Select, TagsInput, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useChangeResource, useCreateResource } from '@/api/access'
import { networks } from '@/api/queries'
import type { Resource } from '@/api/types'
import { faultsAt } from '@/api/words'
import { FormDialog } from '@/ui/FormDialog'
import { changeOf, faultOf, ruleFor, textsOf } from '@/ui/labels'
import { say } from '@/ui/say'

// The same as in internal/access.
const mostLabels = 16

const says = {
  exists: 'A resource has this id already.',
  revision: 'Somebody else changed this resource meanwhile. Close this dialog, look at the change, and edit again.',
}

const fields = ['id', 'network_id', 'name', 'hosts', 'ports', 'alias', 'proxy_protocol', 'labels']

/** What both forms have. */
type Draft = { name: string; hosts: string[]; ports: string[]; alias: string; proxy: boolean; labels: string[] }

const byKey = (texts: string[]) =>
  Object.fromEntries(texts.map((t) => [t.slice(0, t.indexOf('=')), t.slice(t.indexOf('=') + 1)]))

export function CreateResource({ close, done }: { close: () => void; done?: (r: Resource) => void }) {
  const [id, setID] = useState('')
  const [chosen, setNetwork] = useState<string | null>(null)
  const [draft, setDraft] = useState<Draft>({ name: '', hosts: [], ports: [], alias: '', proxy: false, labels: [] })
  const create = useCreateResource()
  const all = useQuery(networks).data?.networks ?? []
  const network = chosen ?? (all.find((n) => n.id === 'default') ?? all[0])?.id ?? 'default'
  const faults = faultsAt(create.error, fields)
  const fault = faultOf(draft.labels, mostLabels)
  return (
    <FormDialog
      title="Create resource"
      action="Create"
      size="lg"
      pending={create.isPending}
      error={faults.rest}
      says={says}
      barred={!!fault}
      close={close}
      submit={() =>
        create.mutate(
          {
            id: id.trim(),
            network_id: network,
            name: draft.name.trim() || undefined,
            hosts: draft.hosts,
            ports: draft.ports,
            alias: draft.alias.trim() || undefined,
            proxy_protocol: draft.proxy ? 'v2' : undefined,
            labels: byKey(draft.labels),
          },
          {
            onSuccess: (r) => {
              say.done(`Created resource ${r.id}.`)
              close()
              done?.(r)
            },
          },
        )
      }
    >
      <TextInput
        label="Id of the resource"
        description="1 to 63 characters: lower-case letters, digits and dashes; a letter or digit first. It cannot be changed."
        placeholder="db"
        required
        data-autofocus
        autoComplete="off"
        spellCheck={false}
        value={id}
        onChange={(e) => setID(e.currentTarget.value)}
        error={faults.of('id')}
      />
      <Select
        label="Network"
        description="Its connectors lead to the resource. It cannot be changed."
        data={all.map((n) => ({ value: n.id, label: n.name && n.name !== n.id ? `${n.name} (${n.id})` : n.id }))}
        value={network}
        allowDeselect={false}
        onChange={setNetwork}
        error={faults.of('network_id')}
      />
      <Fields draft={draft} set={setDraft} of={faults.of} fault={fault} />
    </FormDialog>
  )
}

export function EditResource({ resource, close }: { resource: Resource; close: () => void }) {
  // What was there when the dialog opened: a newer revision would overwrite a change that was never shown here.
  const [r] = useState(resource)
  const before = r.labels ?? {}
  const [draft, setDraft] = useState<Draft>({
    name: r.name,
    hosts: r.hosts,
    ports: r.ports,
    alias: r.alias ?? '',
    proxy: !!r.proxy_protocol,
    labels: textsOf(before),
  })
  const change = useChangeResource()
  const faults = faultsAt(change.error, fields)
  const fault = faultOf(draft.labels, mostLabels)
  const same = (a: string[], b: string[]) => a.join('\n') === b.join('\n')
  const submit = () => {
    const labels = changeOf(before, draft.labels)
    const body = {
      ...(draft.name.trim() !== r.name && { name: draft.name.trim() || null }),
      ...(!same(draft.hosts, r.hosts) && { hosts: draft.hosts }),
      ...(!same(draft.ports, r.ports) && { ports: draft.ports }),
      ...(draft.alias.trim() !== (r.alias ?? '') && { alias: draft.alias.trim() || null }),
      ...(draft.proxy !== !!r.proxy_protocol && { proxy_protocol: draft.proxy ? 'v2' : null }),
      ...(Object.keys(labels).length > 0 && { labels }),
    }
    if (!Object.keys(body).length) return close()
    change.mutate(
      { id: r.id, body: { ...body, revision: r.revision } },
      {
        onSuccess: () => {
          say.done(`Saved resource ${r.id}.`)
          close()
        },
      },
    )
  }
  return (
    <FormDialog
      title={`Edit resource ${r.id}`}
      action="Save"
      size="lg"
      pending={change.isPending}
      error={faults.rest}
      says={says}
      barred={!!fault}
      close={close}
      submit={submit}
    >
      <Fields draft={draft} set={setDraft} of={faults.of} fault={fault} first />
    </FormDialog>
  )
}

type FieldsProps = {
  draft: Draft
  set: (d: Draft) => void
  of: (field: string) => string | undefined
  /** What is wrong with the labels before they are sent. */
  fault: string
  first?: boolean
}

function Fields({ draft: d, set, of, fault, first }: FieldsProps) {
  return (
    <>
      <TextInput
        label="Name (optional)"
        description="What people call it; up to 100 characters. Without one, the id is shown."
        placeholder="Orders database"
        maxLength={100}
        data-autofocus={first || undefined}
        value={d.name}
        onChange={(e) => set({ ...d, name: e.currentTarget.value })}
        error={of('name')}
      />
      <TagsInput
        label="Hosts"
        description="Names (db.corp), all names below one (*.dev.corp), addresses, or prefixes (10.8.0.0/16); press Enter after each. Connectors look names up in their own network."
        placeholder={d.hosts.length ? undefined : 'db.corp'}
        required
        value={d.hosts}
        onChange={(hosts) => set({ ...d, hosts })}
        splitChars={[',', ' ']}
        acceptValueOnBlur
        clearable={false}
        error={of('hosts')}
      />
      <TagsInput
        label="Ports"
        description="TCP ports, or ranges such as 8000-8100"
        placeholder={d.ports.length ? undefined : '5432'}
        required
        value={d.ports}
        onChange={(ports) => set({ ...d, ports })}
        splitChars={[',', ' ']}
        acceptValueOnBlur
        clearable={false}
        error={of('ports')}
      />
      <TextInput
        label="Alias (optional)"
        description="Another name for it on tunnelers, if it has exactly one host"
        placeholder="orders.db"
        spellCheck={false}
        value={d.alias}
        onChange={(e) => set({ ...d, alias: e.currentTarget.value })}
        error={of('alias')}
      />
      <Checkbox
        label="Connections begin with a PROXY protocol v2 header"
        description="It tells the server the address and the SPIFFE ID of the tunneler. The server must expect it."
        checked={d.proxy}
        onChange={(e) => set({ ...d, proxy: e.currentTarget.checked })}
        error={of('proxy_protocol')}
      />
      <TagsInput
        label="Labels"
        description={`${ruleFor(mostLabels)} Grants may be of all resources with a label.`}
        placeholder={d.labels.length ? undefined : 'env=prod'}
        value={d.labels}
        onChange={(labels) => set({ ...d, labels })}
        acceptValueOnBlur
        clearable={false}
        error={fault || of('labels')}
      />
    </>
  )
}
