import { PasswordInput } from '@mantine/core'
import { useState } from 'react'

/** The rule of controller/auth/password.go; a test of that package compares them. */
const length = { min: 12, max: 128 }

/** Whether a new password has a length that the controller takes; it counts characters, not UTF-16 units. */
export function fits(password: string) {
  const n = [...password].length
  return n >= length.min && n <= length.max
}

type NewPasswordProps = { label: string; value: string; onChange: (password: string) => void; fault?: string }

/** The field for a new password, which says the rule before it refuses anything. */
export function NewPassword(p: NewPasswordProps) {
  const [left, setLeft] = useState(false)
  const n = [...p.value].length
  return (
    <PasswordInput
      label={p.label}
      description={`${length.min} to ${length.max} characters; a long sentence works well`}
      required
      autoComplete="new-password"
      value={p.value}
      onChange={(e) => p.onChange(e.currentTarget.value)}
      onBlur={() => setLeft(true)}
      error={
        (left && n > 0 && !fits(p.value) && `This has ${n} characters; ${length.min} to ${length.max} are needed`) ||
        p.fault
      }
    />
  )
}
