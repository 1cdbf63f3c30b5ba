import { Button, type ButtonProps, Group, type ModalProps, Stack, Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { useWhyNot } from '@/api/liveness'
import type { Sayings } from '@/api/words'
import { Dialog } from './Dialog'
import { Failure } from './Failure'

export type FormDialogProps = {
  title: string
  /** The label of the button that submits. */
  action: string
  children: ReactNode
  pending: boolean
  /** An error that no field shows. */
  error: unknown
  /** Texts for kinds of errors in this place. */
  says?: Sayings
  /** The form cannot be submitted now. */
  barred?: boolean
  color?: ButtonProps['color']
  size?: ModalProps['size']
  submit: () => void
  close: () => void
}

/** A dialog that is one form: its fields, what is wrong, and two buttons. */
export function FormDialog(p: FormDialogProps) {
  const whyNot = useWhyNot()
  const barred = p.barred || !!whyNot
  return (
    <Dialog title={p.title} close={p.close} size={p.size}>
      <form
        onSubmit={(e) => {
          e.preventDefault()
          if (!barred) p.submit()
        }}
      >
        <Stack>
          {p.children}
          {!!p.error && <Failure error={p.error} says={p.says} />}
          {whyNot && (
            <Text size="sm" role="status">
              {whyNot}
            </Text>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={p.close}>
              Cancel
            </Button>
            <Button color={p.color} type="submit" loading={p.pending} disabled={barred}>
              {p.action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
