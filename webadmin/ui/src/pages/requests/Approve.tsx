import { Checkbox, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { isProblem } from '@/api/client'
import { useApprove } from '@/api/changes'
import type { EnrollRequest } from '@/api/types'
import { FormDialog } from '@/ui/FormDialog'
import { say } from '@/ui/say'
import { Fingerprint } from './Fingerprint'

/** Approves a host. Only the host's screen shows the last group, which proves that the operator looked at it. */
export function Approve({ request: r, close }: { request: EnrollRequest; close: () => void }) {
  const [last, setLast] = useState('')
  const [replace, setReplace] = useState(false)
  const approve = useApprove()
  const mismatch = isProblem(approve.error, 'fingerprint-mismatch')
  // The list may learn of the approval first and unmount this, and mutate's callbacks would not run.
  const submit = () =>
    approve
      .mutateAsync({
        id: r.enrollment_request_id,
        body: { fingerprint: last.trim(), id: r.id, replace: replace || undefined },
      })
      .then(() => {
        say.done(`Approved ${r.kind} ${r.id}. It will be online in a moment.`)
        close()
      })
      .catch(() => {}) // shown below
  return (
    <FormDialog
      title={`Approve ${r.kind} ${r.id}`}
      action="Approve"
      pending={approve.isPending}
      error={mismatch ? null : approve.error}
      barred={!last.trim() || (r.live_id && !replace)}
      close={close}
      submit={() => void submit()}
    >
      <Text size="sm">
        Read the fingerprint on the host's own screen, or call a person whom you know there. Do not trust a message that
        somebody sent you.
      </Text>
      <Fingerprint code={r.code} start={r.fingerprint_start} />
      <TextInput
        label="Last group of the fingerprint"
        description="Only the host's screen shows it. The whole fingerprint works too. If the other groups differ from these, deny the request."
        required
        autoComplete="off"
        spellCheck={false}
        classNames={{ input: 'mono' }}
        value={last}
        onChange={(e) => setLast(e.currentTarget.value)}
        error={
          mismatch
            ? 'This is not the fingerprint that the host shows. If the two screens differ, deny the request.'
            : undefined
        }
        data-autofocus
      />
      {r.live_id && (
        <Checkbox
          label="Replace the host that has this id now"
          description="The old host is revoked."
          checked={replace}
          onChange={(e) => setReplace(e.currentTarget.checked)}
        />
      )}
    </FormDialog>
  )
}
