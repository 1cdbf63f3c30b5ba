import { Alert, Group, Loader, Stack, Text, VisuallyHidden } from '@mantine/core'
import { IconCheck, IconCircleDashed, IconX } from '@tabler/icons-react'
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import type { Kind, Token } from '@/api/types'
import { ReadFailure } from './Failure'
import { Section } from './Page'
import { Ago, Countdown } from './time'
import type { Enrollment } from './useEnrollment'

type ProgressProps = { enrollment: Enrollment; kind: Kind; id: string }

/** Shows how far an enrollment has come: waiting, enrolled, ONLINE. */
export function Progress({ enrollment: { token: t, stage, read }, kind, id }: ProgressProps) {
  const dead = stage === 'expired' || stage === 'revoked'
  const redeemed = stage === 'redeemed' || stage === 'online'
  const online = stage === 'online'
  return (
    <Section title="Progress">
      <ReadFailure of={read} />
      <Stack gap="md" aria-live="polite">
        {t?.opened_at && <Opened token={t} />}
        <Step
          state={redeemed ? 'done' : dead ? 'failed' : 'now'}
          title={dead ? `The token is ${stage}` : redeemed ? 'The host presented the token' : 'Waiting for the host'}
        >
          {t?.status === 'pending' && (
            <>
              The token is valid for <Countdown to={t.expires_at} warn={120} />
            </>
          )}
          {redeemed && <Ago at={t?.redeemed_at} />}
          {dead && <Link to={`/${kind}s/new`}>Create a new token</Link>}
        </Step>
        <Step state={redeemed ? 'done' : 'later'} title="Enrolled">
          {redeemed ? (
            <>
              Host <span className="mono wrap">{t?.host_id}</span>
            </>
          ) : (
            'The host gets a host certificate and a registration entry'
          )}
        </Step>
        <Step state={online ? 'done' : redeemed ? 'now' : 'later'} title="ONLINE">
          {online ? (
            <Link to={`/${kind}s/${encodeURIComponent(id)}`} className="wrap">
              Open {id}
            </Link>
          ) : (
            `The host's SPIRE agent attests the ${kind}, which then connects with its own SVID`
          )}
        </Step>
      </Stack>
    </Section>
  )
}

function Opened({ token: t }: { token: Token }) {
  const twice = !!t.second_open_at
  return (
    <Alert
      color={twice ? 'red' : 'yellow'}
      title={twice ? 'The claim link was opened twice' : 'The claim link was opened'}
    >
      <Text size="sm" c="var(--mantine-color-text)">
        <Ago at={t.opened_at} /> <From address={t.opened_from} />
        {twice && (
          <>
            , and again <Ago at={t.second_open_at} /> <From address={t.second_open_from} />
          </>
        )}
        .{' '}
        {twice
          ? 'Two people had the link. The second opening was refused. If the token was not redeemed before, it is revoked; otherwise the host is marked as contested.'
          : 'If this was not the person to whom you sent the link, revoke the token.'}
      </Text>
    </Alert>
  )
}

function From({ address }: { address?: string }) {
  if (!address) return null
  return (
    <>
      from <span className="mono">{address}</span>
    </>
  )
}

type StepProps = { state: 'done' | 'now' | 'later' | 'failed'; title: string; children: ReactNode }

const words = { done: 'done', now: 'in progress', later: 'not yet', failed: 'failed' }

function Step({ state, title, children }: StepProps) {
  return (
    <Group gap="sm" wrap="nowrap" align="flex-start">
      <div style={{ width: 22, height: 22, display: 'grid', placeItems: 'center', flex: 'none' }}>
        {state === 'done' && <IconCheck size={20} color="var(--good)" aria-hidden="true" />}
        {state === 'failed' && <IconX size={20} color="var(--bad)" aria-hidden="true" />}
        {state === 'later' && <IconCircleDashed size={18} color="var(--quiet)" aria-hidden="true" />}
        {state === 'now' && <Loader size={18} aria-hidden="true" />}
      </div>
      <div>
        <Text size="sm" fw={560}>
          {title}
          <VisuallyHidden component="span">, {words[state]}</VisuallyHidden>
        </Text>
        <Text size="sm" c="dimmed" component="div">
          {children}
        </Text>
      </div>
    </Group>
  )
}
