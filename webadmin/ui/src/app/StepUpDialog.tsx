import { Button, Group, PasswordInput, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { onStepUp } from '@/api/client'
import { useStepUp } from '@/api/account'
import { session } from '@/api/queries'
import { kindOf } from '@/api/words'
import { codeIsWrong } from '@/ui/code'
import { Dialog } from '@/ui/Dialog'
import { Failure } from '@/ui/Failure'
import { StepUpElsewhere } from './StepUpElsewhere'

/** Appears when the API says step-up-required; the request then goes out once more. */
export function StepUpDialog() {
  const [answer, setAnswer] = useState<((ok: boolean) => void) | null>(null)
  useEffect(() => onStepUp(() => new Promise((resolve) => setAnswer(() => resolve))), [])
  if (!answer) return null
  const done = (ok: boolean) => {
    setAnswer(null)
    answer(ok)
  }
  return (
    <Dialog title="Confirm that it is you" close={() => done(false)} size="sm" zIndex={400}>
      <Proof done={done} />
    </Dialog>
  )
}

type ProofProps = { done: (ok: boolean) => void }

function Proof({ done }: ProofProps) {
  const person = useQuery({ ...session, enabled: false }).data?.person
  return person?.oidc ? <StepUpElsewhere done={done} /> : <Here totp={!!person?.totp} done={done} />
}

function Here({ totp: second, done }: ProofProps & { totp: boolean }) {
  const [password, setPassword] = useState('')
  const [totp, setTOTP] = useState('')
  const prove = useStepUp()
  const refused = kindOf(prove.error) === 'unauthenticated'
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault()
        // Not by mutate, whose callbacks are dropped if the form is drawn anew meanwhile: the request waits for this.
        prove.mutateAsync({ password: password || undefined, totp: totp || undefined }).then(
          () => done(true),
          () => undefined, // shown below
        )
      }}
    >
      <Stack>
        <Text size="sm" c="dimmed">
          This action needs a recent confirmation of your identity. It is valid for 5 minutes.
        </Text>
        {!second && (
          <PasswordInput
            label="Password"
            error={refused && 'This password is not right.'}
            autoComplete="current-password"
            data-autofocus
            required
            value={password}
            onChange={(e) => setPassword(e.currentTarget.value)}
          />
        )}
        {second && (
          <TextInput
            label="Code from your authenticator"
            description="Or a recovery code"
            error={refused && codeIsWrong(prove.error)}
            autoComplete="one-time-code"
            required
            data-autofocus
            value={totp}
            onChange={(e) => setTOTP(e.currentTarget.value)}
          />
        )}
        {prove.error && !refused && <Failure error={prove.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={() => done(false)}>
            Cancel
          </Button>
          <Button type="submit" loading={prove.isPending}>
            Confirm
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
