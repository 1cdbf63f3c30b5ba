import { Button, Group, PasswordInput, Stack } from '@mantine/core'
import { useState } from 'react'
import { useSetPassword } from '@/api/account'
import { faultsAt, kindOf } from '@/api/words'
import { Failure } from '@/ui/Failure'
import { fits, NewPassword } from '@/ui/NewPassword'
import { Section } from '@/ui/Page'
import { say } from '@/ui/say'

export function Password() {
  const [current, setCurrent] = useState('')
  const [next, setNext] = useState('')
  const [again, setAgain] = useState('')
  const set = useSetPassword()
  const wrong = kindOf(set.error) === 'unauthenticated'
  const faults = faultsAt(set.error, ['password'])
  const differ = again !== '' && again !== next
  return (
    <Section title="Password">
      <form
        onSubmit={(e) => {
          e.preventDefault()
          if (differ || !fits(next)) return
          set.mutate(
            { current, password: next },
            {
              onSuccess: () => {
                say.done('The password is changed. Your other sessions have ended.')
                setCurrent('')
                setNext('')
                setAgain('')
              },
            },
          )
        }}
      >
        <Stack>
          <PasswordInput
            label="Current password"
            required
            autoComplete="current-password"
            value={current}
            onChange={(e) => setCurrent(e.currentTarget.value)}
            error={wrong && 'This is not your current password.'}
          />
          <NewPassword label="New password" value={next} onChange={setNext} fault={faults.of('password')} />
          <PasswordInput
            label="New password again"
            required
            autoComplete="new-password"
            value={again}
            onChange={(e) => setAgain(e.currentTarget.value)}
            error={differ && 'The passwords do not match'}
          />
          {!wrong && faults.rest && <Failure error={faults.rest} />}
          <Group>
            <Button type="submit" variant="default" loading={set.isPending}>
              Change password
            </Button>
          </Group>
        </Stack>
      </form>
    </Section>
  )
}
