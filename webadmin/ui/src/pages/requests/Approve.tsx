import { Button, Checkbox, Group, Modal, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { isProblem } from '@/api/client'
import { useApprove } from '@/api/queries'
import type { EnrollRequest } from '@/api/types'
import { Failure } from '@/ui/Failure'
import { say } from '@/ui/say'
import { Fingerprint } from './Fingerprint'

/** Approves a host. What is sent is the fingerprint that was compared, so no other key can slip in. */
export function Approve({ request: r, close }: { request: EnrollRequest; close: () => void }) {
  const [id, setID] = useState(r.member_id)
  const [same, setSame] = useState(false)
  const [replace, setReplace] = useState(false)
  const approve = useApprove()
  const submit = () =>
    approve.mutate(
      {
        id: r.id,
        body: { fingerprint: r.fingerprint, id: id === r.member_id ? undefined : id, replace: replace || undefined },
      },
      {
        onSuccess: () => {
          say.done(`Approved ${r.kind} ${id}. It comes online within moments.`)
          close()
        },
      },
    )
  return (
    <Modal opened onClose={close} title={`Approve ${r.kind} ${r.member_id}`}>
      <form
        onSubmit={(e) => {
          e.preventDefault()
          submit()
        }}
      >
        <Stack>
          <Text size="sm">
            Look at the host's own screen, or ask who sits there to read it out. A message that somebody sent you is not
            enough.
          </Text>
          <Fingerprint code={r.code} fingerprint={r.fingerprint} />
          <Checkbox
            label="The host shows the same code and fingerprint"
            checked={same}
            onChange={(e) => setSame(e.currentTarget.checked)}
            data-autofocus
          />
          <TextInput
            label="Enroll it as"
            required
            value={id}
            onChange={(e) => setID(e.currentTarget.value)}
            spellCheck={false}
          />
          {(isProblem(approve.error, 'live-member') || replace) && (
            <Checkbox
              label="Replace the host that has this id now"
              description="It is revoked."
              checked={replace}
              onChange={(e) => setReplace(e.currentTarget.checked)}
            />
          )}
          {approve.error && <Failure error={approve.error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" disabled={!same} loading={approve.isPending}>
              Approve
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  )
}
