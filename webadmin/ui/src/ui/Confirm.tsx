import { Stack, Text, TextInput } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { FormDialog, type FormDialogProps } from './FormDialog'

type ConfirmProps = Omit<FormDialogProps, 'submit' | 'color' | 'size'> & {
  /** The text to type before the action is possible. */
  type?: string
  confirm: () => void
}

/** Asks before an action that cannot be undone. */
export function Confirm({ type, confirm, barred, children, ...rest }: ConfirmProps) {
  const [typed, setTyped] = useState('')
  return (
    <FormDialog {...rest} color="red.9" barred={barred || (!!type && typed !== type)} submit={confirm}>
      {children}
      {type && (
        <TextInput
          label={
            <>
              Type <code className="wrap">{type}</code> to confirm
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
    </FormDialog>
  )
}

/** The consequences of an action, one line each. */
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
