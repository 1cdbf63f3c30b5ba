import { Radio, Select, Stack, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useCreatePolicyTest } from '@/api/access'
import { networks } from '@/api/queries'
import type { PolicyTest } from '@/api/types'
import { faultsAt } from '@/api/words'
import { noChoice, textOf } from '@/pages/grants/draft'
import { Side } from '@/pages/grants/Reference'
import { FormDialog } from '@/ui/FormDialog'
import { say } from '@/ui/say'

const fields = ['id', 'subject', 'target', 'network_id', 'expect', 'note']

const says = {
  exists: 'A policy test has this id already.',
  'policy-tests-broken': 'A test that does not hold cannot be made: it would guard nothing. Change the rules first.',
}

const words = {
  id: 'With the labels that it has. It need not be enrolled yet.',
  choice: 'A tunneler with one label',
  field: 'Label of the tunneler',
  description: 'As key=value. The test is of a tunneler that has this label and no others.',
}

/** Says what the rules must decide from now on. */
export function CreatePolicyTest({ close }: { close: () => void }) {
  const [subject, setSubject] = useState(noChoice)
  const [target, setTarget] = useState('')
  const [expect, setExpect] = useState<PolicyTest['expect']>('reach')
  const [network, setNetwork] = useState<string | null>(null)
  const [id, setID] = useState('')
  const [note, setNote] = useState('')
  const create = useCreatePolicyTest()
  const all = useQuery(networks).data?.networks ?? []
  const faults = faultsAt(create.error, fields)
  return (
    <FormDialog
      title="Create policy test"
      action="Create"
      size="lg"
      pending={create.isPending}
      error={faults.rest}
      says={says}
      close={close}
      submit={() =>
        create.mutate(
          {
            id: id.trim() || undefined,
            subject: textOf('tunneler', subject),
            target: target.trim(),
            expect,
            network_id: network ?? undefined,
            note: note.trim() || undefined,
          },
          {
            onSuccess: (t) => {
              say.done(`Created policy test ${t.id}.`)
              close()
            },
          },
        )
      }
    >
      <Side kind="tunneler" value={subject} set={setSubject} fault={faults.of('subject')} first words={words} />
      <Radio.Group
        label="What must be decided"
        description="Hours of grants do not count."
        value={expect}
        onChange={(e) => setExpect(e as PolicyTest['expect'])}
        error={faults.of('expect')}
      >
        <Stack gap={6} mt={6}>
          <Radio value="reach" label="It must reach the target" />
          <Radio value="refuse" label="It must not reach the target" />
        </Stack>
      </Radio.Group>
      <TextInput
        label="Target"
        description="HOST:PORT; an IPv6 address stands in brackets"
        placeholder="db.corp:5432"
        required
        value={target}
        onChange={(e) => setTarget(e.currentTarget.value)}
        error={faults.of('target')}
        spellCheck={false}
        autoComplete="off"
      />
      <Select
        label="Network (optional)"
        description="Without one, the target counts as reached if it is in any network."
        placeholder="any network"
        data={all.map((n) => ({ value: n.id, label: n.name && n.name !== n.id ? `${n.name} (${n.id})` : n.id }))}
        value={network}
        onChange={setNetwork}
        error={faults.of('network_id')}
      />
      <TextInput
        label="Id (optional)"
        description="Lower-case letters, digits and dashes; without one the controller makes it. It cannot be changed."
        placeholder="dev-db"
        value={id}
        onChange={(e) => setID(e.currentTarget.value)}
        error={faults.of('id')}
        spellCheck={false}
        autoComplete="off"
      />
      <TextInput
        label="Note (optional)"
        description="Why it must be so; whoever breaks the test reads it. Up to 200 characters."
        maxLength={200}
        value={note}
        onChange={(e) => setNote(e.currentTarget.value)}
        error={faults.of('note')}
      />
    </FormDialog>
  )
}
