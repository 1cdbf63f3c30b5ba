import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import type { Sayings } from '@/api/words'
import { Dialog } from './Dialog'
import { useWhyNot } from '@/api/liveness'
import { Failure } from './Failure'

type ConfirmProps = {
  title: string
  action: string
  children: ReactNode
  /** What has to be typed before it can be done. */
  type?: string
  pending: boolean
  error: unknown
  /** What an error means here, by its kind. */
  says?: Sayings
  /** There is nothing to do. */
  barred?: boolean
  confirm: () => void
  close: () => void
}

/** Asks before what cannot be undone. */
export function Confirm({ title, action, children, type, pending, error, says, barred, confirm, close }: ConfirmProps) {
  const [typed, setTyped] = useState('')
  const whyNot = useWhyNot()
  return (
    <Dialog title={title} close={close}>
      <form
        onSubmit={(e) => {
          e.preventDefault()
          confirm()
        }}
      >
        <Stack>
          {children}
          {type && (
            <TextInput
              label={
                <>
                  Type <code>{type}</code> to confirm
                </>
              }
              aria-label={`Type ${type} to confirm`}
              value={typed}
              onChange={(e) => setTyped(e.currentTarget.value)}
              autoComplete="off"
              spellCheck={false}
              data-autofocus
            />
          )}
          {!!error && <Failure error={error} says={says} />}
          {whyNot && (
            <Text size="sm" role="status">
              {whyNot}
            </Text>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button
              color="red.9"
              type="submit"
              loading={pending}
              disabled={!!whyNot || barred || (!!type && typed !== type)}
            >
              {action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}

/** What follows from an action, one line each. */
export function Consequences({ of }: { of: ReactNode[] }) {
  return (
    <Stack gap={6} component="ul" m={0} pl={18}>
      {of.map((line, i) => (
        <Text component="li" size="sm" key={i}>
          {line}
        </Text>
      ))}
    </Stack>
  )
}
