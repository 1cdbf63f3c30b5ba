import { Button, SimpleGrid, Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEndMySession, useSignOutEverywhere } from '@/api/account'
import { mySessions } from '@/api/queries'
import { useSession } from '@/app/session'
import { ReadFailure } from '@/ui/Failure'
import { Facts, PageHead, Section } from '@/ui/Page'
import { Sessions } from '@/ui/Sessions'
import { say } from '@/ui/say'
import { Countdown } from '@/ui/time'
import { Password } from './Password'
import { SecondFactor } from './SecondFactor'

export function Page() {
  const s = useSession()
  const sessions = useQuery(mySessions)
  const end = useEndMySession()
  const everywhere = useSignOutEverywhere()
  if (!s) return null
  const { person } = s
  return (
    <>
      <PageHead title="My account" />
      <Stack gap="md">
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
          <Section title="You">
            <Facts
              of={[
                ['Name', person.name],
                ['Email', person.email],
                ['Role', person.role],
                ['Signs in with', person.oidc ? 'identity provider' : 'password'],
                ['This session ends in', <Countdown key="end" to={s.expires_at} />],
                ['Without use, it ends in', <Countdown key="idle" to={s.idle_expires_at} />],
              ]}
            />
          </Section>
          {!person.oidc && <SecondFactor on={person.totp} left={person.recovery_codes_left} />}
          {!person.oidc && <Password />}
        </SimpleGrid>
        <Section
          title="My sessions"
          flush
          aside={
            <Button
              size="compact-sm"
              variant="default"
              loading={everywhere.isPending}
              onClick={() => everywhere.mutate(undefined, { onError: say.failure })}
            >
              Sign out everywhere
            </Button>
          }
        >
          <ReadFailure of={sessions} flush />
          {(!sessions.error || sessions.data) && (
            <Sessions
              label="My sessions"
              sessions={sessions.data?.sessions}
              end={(r) =>
                end.mutate(r.id, { onSuccess: () => say.done('The session has ended.'), onError: say.failure })
              }
            />
          )}
        </Section>
      </Stack>
    </>
  )
}
