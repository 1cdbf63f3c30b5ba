import { Button, Divider, PasswordInput, Stack, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Navigate, useSearchParams } from 'react-router'
import { base, isProblem } from '@/api/client'
import { useSignIn } from '@/api/account'
import { session, setup } from '@/api/queries'
import { Boot } from '@/app/Boot'
import { Entrance } from '@/app/Entrance'
import { Failure } from '@/ui/Failure'

/** Only a path of this dashboard: anything else could lead to a page that imitates it. */
function backTo(wanted: string | null): string {
  if (!wanted?.startsWith('/') || wanted.startsWith('//') || wanted.includes('\\')) return '/'
  return wanted
}

const faults = new Map([
  ['oidc-unavailable', 'The identity provider does not answer. An owner with a password can still sign in below.'],
  [
    'oidc-refused',
    'The sign-in through the identity provider was refused. An operator finds the reason in the controller log.',
  ],
])

/** The same errors of somebody who is signed in and was to confirm that. */
const notConfirmed = new Map([
  [
    'oidc-unavailable',
    () => 'The identity provider does not answer. Close this tab, and try again later from the tab that asked.',
  ],
  [
    'oidc-refused',
    (name: string) =>
      `The identity provider did not say that you are ${name}. Close this tab, and sign in there as ${name} from the tab that asked.`,
  ],
])

export function Page() {
  const [params] = useSearchParams()
  const back = backTo(params.get('return_to'))
  const who = useQuery(session)
  const ways = useQuery(setup)
  const error = params.get('error')
  const why = notConfirmed.get(error ?? '')
  // Only somebody of the provider confirms there; to others the address is an old one.
  if (who.data?.person.oidc && why) return <NotConfirmed name={who.data.person.name} why={why} />
  if (who.data) return <Navigate to={back} replace />
  if (ways.data?.needed) return <Navigate to="/setup" replace />
  if (who.isPending) {
    return <Boot />
  }
  const oidc = ways.data?.oidc
  return (
    <Entrance title="Sign in">
      <Stack mt="md">
        {(who.error || ways.error) && <Failure error={who.error ?? ways.error} retry={() => ways.refetch()} />}
        {error && <Failure title="You are not signed in" error={new Error(faults.get(error) ?? 'Try again.')} />}
        {oidc?.enabled && (
          <>
            <Button component="a" href={`${base}/session/oidc/start?return_to=${encodeURIComponent(back)}`} size="md">
              Continue with {oidc.name || 'your identity provider'}
            </Button>
            <Divider label="or with a password" />
          </>
        )}
        <Local second={!!oidc?.enabled} />
      </Stack>
    </Entrance>
  )
}

/**
 * Where the identity provider leads a person who is signed in and confirmed as nobody, or as
 * somebody else: the page that asked for it is in another tab, and still asks.
 */
function NotConfirmed({ name, why }: { name: string; why: (name: string) => string }) {
  return (
    <Entrance title="Not confirmed">
      <Stack mt="md">
        <Failure title="Nothing was confirmed" error={new Error(why(name))} />
        <Button component="a" href="/" variant="default">
          Open the dashboard as {name}
        </Button>
      </Stack>
    </Entrance>
  )
}

const wrong = {
  password: 'The email or the password is not right.',
  code: "The email, the password or the code is not right. Is the phone's clock right? Each code works once.",
}

function Local({ second }: { second: boolean }) {
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const [totp, setTOTP] = useState('')
  const signIn = useSignIn()
  const needsCode = totp !== '' || isProblem(signIn.error, 'totp-required')
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault()
        signIn.mutate({ email, password, totp: totp || undefined })
      }}
    >
      <Stack>
        <TextInput
          label="Email"
          type="email"
          autoComplete="username"
          required
          autoFocus={!second}
          value={email}
          onChange={(e) => setEmail(e.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(e) => setPassword(e.currentTarget.value)}
        />
        {needsCode && (
          <TextInput
            label="Code"
            description="From your authenticator, or a recovery code"
            autoComplete="one-time-code"
            required
            autoFocus
            value={totp}
            onChange={(e) => setTOTP(e.currentTarget.value.trim())}
          />
        )}
        {signIn.error && !isProblem(signIn.error, 'totp-required') && (
          <Failure error={signIn.error} says={{ unauthenticated: needsCode ? wrong.code : wrong.password }} />
        )}
        <Button type="submit" loading={signIn.isPending} variant={second ? 'default' : 'filled'}>
          Sign in
        </Button>
      </Stack>
    </form>
  )
}
