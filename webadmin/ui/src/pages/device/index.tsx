import { Alert, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { IconAlertTriangle, IconTerminal2 } from '@tabler/icons-react'
import { useState } from 'react'
import { useApproveDevice, useDenyDevice, useLookAtDevice } from '@/api/account'
import type { WaitingDevice } from '@/api/types'
import { kindOf } from '@/api/words'
import { Failure } from '@/ui/Failure'
import { Empty, Facts, PageHead, Section } from '@/ui/Page'
import { Ago, Countdown } from '@/ui/time'

/** Where a person signs a command line in: `grpccontroller login` names this address. */
export function Page() {
  const [code, setCode] = useState('')
  const [over, setOver] = useState<'approved' | 'denied' | null>(null)
  const look = useLookAtDevice()
  const unknown = kindOf(look.error) === 'not-found'
  return (
    <>
      <PageHead
        title="Sign in a command line"
        about="grpccontroller login shows a code. Type it here to let that command line act for you."
      />
      {over ? (
        <div className="surface">
          <Empty icon={IconTerminal2} title={over === 'approved' ? 'The command line is signed in' : 'Denied'}>
            {over === 'approved'
              ? 'The command continues within seconds. You can close this page. To sign it out again, use My account.'
              : 'The command line was refused. If you did not start it, tell an owner: somebody tried to sign in as you.'}
          </Empty>
        </div>
      ) : look.data ? (
        <Decide code={code} device={look.data} done={setOver} />
      ) : (
        <Section title="Code">
          <form
            onSubmit={(e) => {
              e.preventDefault()
              look.mutate(code)
            }}
          >
            <Stack maw={420}>
              <TextInput
                label="Code that the command line shows"
                placeholder="BCDF-GHJK"
                required
                data-autofocus
                autoFocus
                autoComplete="off"
                autoCapitalize="characters"
                spellCheck={false}
                maxLength={16}
                classNames={{ input: 'mono' }}
                description="Eight letters. It works once, for 10 minutes."
                error={
                  unknown && 'No command line waits with this code. It was used, has expired, or has a typing mistake.'
                }
                value={code}
                onChange={(e) => setCode(e.currentTarget.value.toUpperCase())}
              />
              {look.error && !unknown && <Failure error={look.error} />}
              <Group>
                <Button type="submit" loading={look.isPending} disabled={!code.trim()}>
                  Continue
                </Button>
              </Group>
            </Stack>
          </form>
        </Section>
      )}
    </>
  )
}

type DecideProps = { code: string; device: WaitingDevice; done: (how: 'approved' | 'denied') => void }

function Decide({ code, device: d, done }: DecideProps) {
  const approve = useApproveDevice()
  const deny = useDenyDevice()
  const elsewhere = d.source !== d.your_source
  const error = approve.error ?? deny.error
  return (
    <Section title="Sign-in request">
      <Stack maw={640}>
        <Alert
          color={elsewhere ? 'red' : 'yellow'}
          icon={<IconAlertTriangle size={18} />}
          title="Only approve what you started yourself"
        >
          <Text size="sm" c="var(--mantine-color-text)">
            The person who runs this command line gets your rights. If somebody sent you this page or the code, by mail,
            chat or telephone, it is an attack: deny it.
            {elsewhere && ' The request came from another address than yours.'}
          </Text>
        </Alert>
        <Facts
          of={[
            [
              'Requested from',
              <span key="from" className="mono">
                {d.source}
              </span>,
            ],
            [
              'Your browser',
              <span key="you" className="mono">
                {d.your_source}
              </span>,
            ],
            ['Reported hostname (not verified)', d.host_name || 'none'],
            ['Requested', <Ago key="at" at={d.asked_at} />],
            ['The code expires in', <Countdown key="end" to={d.expires_at} />],
            ['Signed in for', `${d.token_expires_in / 3600} hours`],
          ]}
        />
        {error && <Failure error={error} />}
        <Group>
          <Button
            loading={approve.isPending}
            disabled={deny.isPending}
            onClick={() => approve.mutate(code, { onSuccess: () => done('approved') })}
          >
            I started it: approve
          </Button>
          <Button
            variant="default"
            loading={deny.isPending}
            disabled={approve.isPending}
            onClick={() => deny.mutate(code, { onSuccess: () => done('denied') })}
          >
            Deny
          </Button>
        </Group>
      </Stack>
    </Section>
  )
}
