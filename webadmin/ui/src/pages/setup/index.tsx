import { Button, PasswordInput, Stack, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Navigate } from 'react-router'
import { useSetUp } from '@/api/account'
import { session, setup } from '@/api/queries'
import { Entrance } from '@/app/Entrance'
import { codeIn, useCodeOfLink } from '@/ui/code'
import { faultsAt } from '@/api/words'
import { Failure, ReadFailure } from '@/ui/Failure'
import { fits, NewPassword } from '@/ui/NewPassword'

export function Page() {
  const who = useQuery(session)
  const first = useQuery(setup)
  const linked = useCodeOfLink()
  const [typed, setTyped] = useState<string>()
  const code = typed ?? linked
  const [name, setName] = useState('')
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [again, setAgain] = useState('')
  const setUp = useSetUp()
  const invited = linked !== ''
  if (who.data) return <Navigate to="/" replace />
  if (first.data && !first.data.needed && !invited) return <Navigate to="/sign-in" replace />
  const needed = !!first.data?.needed
  const faults = faultsAt(setUp.error, ['name', 'email', 'password'])
  const differ = again !== '' && again !== password
  return (
    <Entrance
      title={needed ? 'Set up the first owner' : 'Set up your account'}
      about={
        needed
          ? 'The controller printed a one-time link at its start, which only its operators can read. The first owner can invite others.'
          : 'Choose how you sign in. The link works once.'
      }
    >
      <form
        onSubmit={(e) => {
          e.preventDefault()
          if (differ || !fits(password)) return
          setUp.mutate({
            code: codeIn(code),
            password,
            name: needed ? name : undefined,
            email: needed ? email : undefined,
          })
        }}
      >
        <Stack>
          <ReadFailure of={first} />
          <TextInput
            label="Setup code"
            description={invited ? undefined : 'The printed link, or the part of it after "#"'}
            required
            autoComplete="off"
            spellCheck={false}
            value={code}
            onChange={(e) => setTyped(e.currentTarget.value)}
          />
          {needed && (
            <>
              <TextInput
                label="Name"
                required
                autoComplete="name"
                value={name}
                onChange={(e) => setName(e.currentTarget.value)}
                maxLength={100}
                error={faults.of('name')}
              />
              <TextInput
                label="Email"
                type="email"
                required
                autoComplete="username"
                value={email}
                onChange={(e) => setEmail(e.currentTarget.value)}
                error={faults.of('email')}
              />
            </>
          )}
          <NewPassword label="Password" value={password} onChange={setPassword} fault={faults.of('password')} />
          <PasswordInput
            label="Password again"
            required
            autoComplete="new-password"
            value={again}
            onChange={(e) => setAgain(e.currentTarget.value)}
            error={differ && 'The passwords do not match'}
          />
          {faults.rest && <Failure error={faults.rest} />}
          <Button type="submit" loading={setUp.isPending}>
            Create the account
          </Button>
        </Stack>
      </form>
    </Entrance>
  )
}
