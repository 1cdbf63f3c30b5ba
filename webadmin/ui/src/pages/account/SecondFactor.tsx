import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useConfirmTOTP, useDropTOTP, useStartTOTP } from '@/api/account'
import { codeIsWrong } from '@/ui/code'
import { Confirm } from '@/ui/Confirm'
import { Mono } from '@/ui/Copy'
import { Failure } from '@/ui/Failure'
import { Once } from '@/ui/Once'
import { Section } from '@/ui/Page'
import { State } from '@/ui/Status'
import { QR } from './QR'

/** Sign-in with a code from an authenticator in addition to the password. */
export function SecondFactor({ on, left }: { on: boolean; left?: number }) {
  const [codes, setCodes] = useState<string[] | null>(null)
  const start = useStartTOTP()
  const [dropping, setDropping] = useState(false)
  const drop = useDropTOTP()
  return (
    <Section title="Second factor" aside={<State tone={on ? 'good' : 'warn'} label={on ? 'on' : 'off'} hollow={!on} />}>
      <Stack>
        {!on && !start.data && (
          <>
            <Text size="sm" c="dimmed">
              With a second factor, a stolen password alone is not enough to sign in. Any authenticator app for
              time-based codes works.
            </Text>
            {start.error && <Failure error={start.error} />}
            <Group>
              <Button onClick={() => start.mutate(undefined)} loading={start.isPending}>
                Set up authenticator
              </Button>
            </Group>
          </>
        )}
        {!on && start.data && <Enroll secret={start.data.secret} uri={start.data.uri} done={setCodes} />}
        {on && left !== undefined && (
          <Text size="sm" c={left < 3 ? 'var(--warn)' : 'dimmed'}>
            {left} recovery codes are left.
          </Text>
        )}
        {on && (
          <Group>
            <Button variant="default" onClick={() => setDropping(true)}>
              Turn off…
            </Button>
          </Group>
        )}
      </Stack>
      {dropping && (
        <Confirm
          title="Turn off the second factor"
          action="Turn off"
          pending={drop.isPending}
          error={drop.error}
          close={() => setDropping(false)}
          confirm={() => drop.mutate(undefined, { onSuccess: () => setDropping(false) })}
        >
          <Text size="sm">After that, your password alone is enough to sign in.</Text>
        </Confirm>
      )}
      {codes && (
        <Once title="Recovery codes" value={codes.join('\n')} label="recovery codes" close={() => setCodes(null)}>
          <Text size="sm">
            The second factor is on. If you lose the authenticator, sign in with one of these codes. Each works once.
          </Text>
        </Once>
      )}
    </Section>
  )
}

function Enroll({ secret, uri, done }: { secret: string; uri: string; done: (codes: string[]) => void }) {
  const [code, setCode] = useState('')
  const confirm = useConfirmTOTP()
  const wrong = codeIsWrong(confirm.error)
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault()
        confirm.mutate(code, { onSuccess: (r) => done(r.recovery_codes) })
      }}
    >
      <Stack>
        <Text size="sm">
          Scan this with the authenticator, or type the key below, then enter the code that it shows.
        </Text>
        <QR text={uri} label="QR code of the authenticator key" />
        <Mono value={secret} label="authenticator key" />
        <TextInput
          label="Code from the authenticator"
          inputMode="numeric"
          autoComplete="one-time-code"
          maxLength={6}
          required
          value={code}
          onChange={(e) => setCode(e.currentTarget.value.replace(/\s/g, ''))}
          description="Six digits, new every 30 seconds"
          error={wrong}
          maw={280}
        />
        {confirm.error && !wrong && <Failure error={confirm.error} />}
        <Group>
          <Button type="submit" loading={confirm.isPending}>
            Turn on
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
