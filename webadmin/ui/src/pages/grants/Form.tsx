import { Checkbox, Select, Stack, TagsInput, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useChangeGrant, useCreateGrant } from '@/api/access'
import type { Grant } from '@/api/types'
import { faultsAt } from '@/api/words'
import { FormDialog } from '@/ui/FormDialog'
import { say } from '@/ui/say'
import { changeOf, type Draft, draftOf, emptyDraft, requestOf, zone } from './draft'
import { Side } from './Reference'

const fields = ['subject', 'object', 'until', 'time_zone', 'windows']

const zones = [...new Set([zone, 'UTC', ...Intl.supportedValuesOf('timeZone')])]

const isIncomplete = (d: Draft) => d.atHours && !d.windows.length

type CreateProps = {
  /** The tunneler or resource at whose page the dialog was opened. */
  tunneler?: string
  resource?: string
  close: () => void
}

/** Lets a tunneler, or all with a label, reach a resource, or all with a label. */
export function CreateGrant({ tunneler, resource, close }: CreateProps) {
  const [draft, setDraft] = useState(emptyDraft(tunneler, resource))
  const create = useCreateGrant()
  const faults = faultsAt(create.error, fields)
  return (
    <FormDialog
      title="Create grant"
      action="Create"
      size="lg"
      pending={create.isPending}
      error={faults.rest}
      barred={isIncomplete(draft)}
      close={close}
      submit={() =>
        create.mutate(requestOf(draft), {
          onSuccess: (g) => {
            say.done(`Created grant ${g.id}.`)
            close()
          },
        })
      }
    >
      <Fields draft={draft} set={setDraft} of={faults.of} first={tunneler ? 'object' : 'subject'} />
    </FormDialog>
  )
}

const says = {
  revision: 'Somebody else changed this grant meanwhile. Close this dialog, look at the change, and edit again.',
  'not-found': 'Somebody else has withdrawn this grant meanwhile. Close this dialog.',
}

/** Changes a grant; its id stays. */
export function EditGrant({ grant, close }: { grant: Grant; close: () => void }) {
  // What was there when the dialog opened: a newer revision would overwrite a change that was never shown here.
  const [g] = useState(grant)
  const [draft, setDraft] = useState(draftOf(g))
  const change = useChangeGrant()
  const faults = faultsAt(change.error, fields)
  const submit = () => {
    const body = changeOf(g, draft)
    if (!Object.keys(body).length) return close()
    change.mutate(
      { id: g.id, body: { ...body, revision: g.revision } },
      {
        onSuccess: () => {
          say.done(`Saved grant ${g.id}.`)
          close()
        },
      },
    )
  }
  return (
    <FormDialog
      title={`Edit grant ${g.id}`}
      action="Save"
      size="lg"
      pending={change.isPending}
      error={faults.rest}
      says={says}
      barred={isIncomplete(draft)}
      close={close}
      submit={submit}
    >
      <Fields draft={draft} set={setDraft} of={faults.of} first="subject" />
    </FormDialog>
  )
}

type FieldsProps = {
  draft: Draft
  set: (d: Draft) => void
  of: (field: string) => string | undefined
  /** What has the focus when the dialog opens. */
  first: 'subject' | 'object'
}

function Fields({ draft: d, set, of, first }: FieldsProps) {
  return (
    <>
      <Side
        kind="tunneler"
        value={d.subject}
        set={(subject) => set({ ...d, subject })}
        fault={of('subject')}
        first={first === 'subject'}
      />
      <Side
        kind="resource"
        value={d.object}
        set={(object) => set({ ...d, object })}
        fault={of('object')}
        first={first === 'object'}
      />
      <TextInput
        type="datetime-local"
        label="Ends at (optional)"
        description={`On the clocks of ${zone}. Open flows end then too.`}
        value={d.until}
        onChange={(e) => set({ ...d, until: e.currentTarget.value })}
        error={of('until')}
      />
      <Checkbox
        label="Only at certain hours"
        description="Otherwise it holds at all hours."
        checked={d.atHours}
        onChange={(e) => set({ ...d, atHours: e.currentTarget.checked })}
      />
      {d.atHours && (
        <Stack gap="md">
          <TagsInput
            label="Days and hours"
            description="Such as mon-fri 08:00-18:00, or sat,sun 22:00-06:00; press Enter after each. At most 16."
            placeholder={d.windows.length ? undefined : 'mon-fri 08:00-18:00'}
            required
            value={d.windows}
            onChange={(windows) => set({ ...d, windows })}
            splitChars={[';']}
            acceptValueOnBlur
            clearable={false}
            error={of('windows')}
          />
          <Select
            label="Time zone of these hours"
            description={`They are read on clocks there, the end above on those of ${zone}.`}
            data={zones.includes(d.timeZone) ? zones : [d.timeZone, ...zones]}
            searchable
            openOnFocus={false}
            limit={50}
            allowDeselect={false}
            value={d.timeZone}
            onChange={(timeZone) => timeZone && set({ ...d, timeZone })}
            error={of('time_zone')}
          />
        </Stack>
      )}
    </>
  )
}
