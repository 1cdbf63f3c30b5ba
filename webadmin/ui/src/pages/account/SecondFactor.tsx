import { Alert, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useConfirmTOTP, useDropTOTP, useStartTOTP } from '@/api/queries'
import { Confirm } from '@/ui/Confirm'
import { Mono } from '@/ui/Copy'
import { Failure } from '@/ui/Failure'
import { Section } from '@/ui/Page'
import { State } from '@/ui/Status'
import { say } from '@/ui/say'
import { QR } from './QR'

/** A code from an authenticator beside the password. */
export function SecondFactor({ on }: { on: boolean }) {
  const start = useStartTOTP()
  const [dropping, setDropping] = useState(false)
  const drop = useDropTOTP()
  return (
    <Section title="Second factor" aside={<State tone={on ? 'good' : 'warn'} label={on ? 'on' : 'off'} hollow={!on} />}>
      <Stack>
        {!on && !start.data && (
          <>
            <Text size="sm" c="dimmed">
              With an authenticator, a stolen password alone opens nothing. Any app that does time-based codes will do.
            </Text>
            {start.error && <Failure error={start.error} />}
            <Group>
              <Button onClick={() => start.mutate(undefined)} loading={start.isPending}>
                Set up authenticator
              </Button>
            </Group>
          </>
        )}
        {!on && start.data && <Enroll secret={start.data.secret} uri={start.data.uri} />}
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
          title="Turn the second factor off"
          action="Turn off"
          pending={drop.isPending}
          error={drop.error}
          close={() => setDropping(false)}
          confirm={() => drop.mutate(undefined, { onSuccess: () => setDropping(false) })}
        >
          <Text size="sm">From then on your password alone signs you in.</Text>
        </Confirm>
      )}
    </Section>
  )
}

function Enroll({ secret, uri }: { secret: string; uri: string }) {
  const [code, setCode] = useState('')
  const confirm = useConfirmTOTP()
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault()
        confirm.mutate(code, { onSuccess: () => say.done('The second factor is on.') })
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
          onChange={(e) => setCode(e.currentTarget.value)}
          maw={220}
        />
        {confirm.error && <Failure error={confirm.error} />}
        <Alert color="yellow" p="xs">
          <Text size="sm" c="var(--mantine-color-text)">
            Lost authenticator? Another owner can send you a new setup link; the last owner uses "grpccontroller admin
            reset-owner" on the controller's host.
          </Text>
        </Alert>
        <Group>
          <Button type="submit" loading={confirm.isPending}>
            Turn on
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
