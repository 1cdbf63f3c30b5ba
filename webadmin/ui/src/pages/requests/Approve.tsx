import { Button, Checkbox, Group, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { isProblem } from '@/api/client'
import { useApprove } from '@/api/queries'
import type { EnrollRequest } from '@/api/types'
import { Dialog } from '@/ui/Dialog'
import { Failure } from '@/ui/Failure'
import { say } from '@/ui/say'
import { Fingerprint } from './Fingerprint'

/** Approves a host. Its screen alone has the last group, so who approves has looked at it. */
export function Approve({ request: r, close }: { request: EnrollRequest; close: () => void }) {
  const [last, setLast] = useState('')
  const [replace, setReplace] = useState(false)
  const approve = useApprove()
  // The list may hear of the approval first and take this away: what mutate calls back would be lost.
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
    <Dialog title={`Approve ${r.kind} ${r.id}`} close={close}>
      <form
        onSubmit={(e) => {
          e.preventDefault()
          void submit()
        }}
      >
        <Stack>
          <Text size="sm">
            Read the fingerprint on the host's own screen, or call a person whom you know there. Do not trust a message
            that somebody sent you.
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
              isProblem(approve.error, 'fingerprint-mismatch')
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
          {approve.error && !isProblem(approve.error, 'fingerprint-mismatch') && <Failure error={approve.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" disabled={!last.trim() || (r.live_id && !replace)} loading={approve.isPending}>
              Approve
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
