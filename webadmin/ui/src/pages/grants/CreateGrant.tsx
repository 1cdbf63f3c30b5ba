import { Checkbox, Select, Stack, TagsInput, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useCreateGrant } from '@/api/access'
import { faultsAt } from '@/api/words'
import { FormDialog } from '@/ui/FormDialog'
import { say } from '@/ui/say'
import { type Choice, noChoice, Side, textOf } from './Reference'

const fields = ['subject', 'object', 'until', 'time_zone', 'windows']

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
const zones = [...new Set([zone, 'UTC', ...Intl.supportedValuesOf('timeZone')])]

type CreateProps = {
  /** The tunneler or resource at whose page the dialog was opened. */
  tunneler?: string
  resource?: string
  close: () => void
}

const chosen = (id?: string): Choice => (id ? { ...noChoice, id } : noChoice)

/** Lets a tunneler, or all with a label, reach a resource, or all with a label. */
export function CreateGrant({ tunneler, resource, close }: CreateProps) {
  const [subject, setSubject] = useState(chosen(tunneler))
  const [object, setObject] = useState(chosen(resource))
  const [until, setUntil] = useState('')
  const [atHours, setAtHours] = useState(false)
  const [timeZone, setTimeZone] = useState(zone)
  const [windows, setWindows] = useState<string[]>([])
  const create = useCreateGrant()
  const faults = faultsAt(create.error, fields)
  const submit = () =>
    create.mutate(
      {
        subject: textOf('tunneler', subject),
        object: textOf('resource', object),
        until: until ? new Date(until).toISOString() : undefined,
        ...(atHours && { time_zone: timeZone, windows }),
      },
      {
        onSuccess: (g) => {
          say.done(`Created grant ${g.id}.`)
          close()
        },
      },
    )
  return (
    <FormDialog
      title="Create grant"
      action="Create"
      size="lg"
      pending={create.isPending}
      error={faults.rest}
      barred={atHours && !windows.length}
      close={close}
      submit={submit}
    >
      <Side kind="tunneler" value={subject} set={setSubject} fault={faults.of('subject')} first={!tunneler} />
      <Side kind="resource" value={object} set={setObject} fault={faults.of('object')} first={!!tunneler} />
      <TextInput
        type="datetime-local"
        label="Ends at (optional)"
        description={`On the clocks of ${zone}. Open flows end then too.`}
        value={until}
        onChange={(e) => setUntil(e.currentTarget.value)}
        error={faults.of('until')}
      />
      <Checkbox
        label="Only at certain hours"
        description="Otherwise it holds at all hours."
        checked={atHours}
        onChange={(e) => setAtHours(e.currentTarget.checked)}
      />
      {atHours && (
        <Stack gap="md">
          <TagsInput
            label="Days and hours"
            description="Such as mon-fri 08:00-18:00, or sat,sun 22:00-06:00; press Enter after each. At most 16."
            placeholder={windows.length ? undefined : 'mon-fri 08:00-18:00'}
            required
            value={windows}
            onChange={setWindows}
            splitChars={[';']}
            acceptValueOnBlur
            clearable={false}
            error={faults.of('windows')}
          />
          <Select
            label="Time zone"
            description="The hours are those of clocks there."
            data={zones}
            searchable
            openOnFocus={false}
            limit={50}
            allowDeselect={false}
            value={timeZone}
            onChange={(v) => v && setTimeZone(v)}
            error={faults.of('time_zone')}
          />
        </Stack>
      )}
    </FormDialog>
  )
}
