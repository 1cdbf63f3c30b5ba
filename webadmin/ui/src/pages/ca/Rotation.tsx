import { Alert, Badge, Button, Group, Stack, Text } from '@mantine/core'
import { IconCheck, IconCircleDashed, IconPlayerPlay } from '@tabler/icons-react'
import { useState } from 'react'
import { useAbortRotation, useResumeRotation } from '@/api/changes'
import type { Rotation } from '@/api/types'
import { useCan } from '@/app/session'
import { Confirm, Consequences } from '@/ui/Confirm'
import { Actor } from '@/ui/Actor'
import { Facts, Section } from '@/ui/Page'
import { durationOf } from '@/ui/duration'
import { Prose } from '@/ui/prose'
import { say } from '@/ui/say'
import { Ago } from '@/ui/time'
import { GateView } from './Gate'

const colors: Record<Rotation['status'], string> = {
  running: 'petrol',
  paused: 'yellow',
  done: 'green',
  aborted: 'red',
  overtaken: 'gray',
}

const afterDeadline = (what: string) =>
  what === 'abort' ? 'the rotation is aborted' : 'it continues without the others'

/** The current or last rotation. */
export function RotationView({ rotation: r }: { rotation: Rotation }) {
  const active = r.status === 'running' || r.status === 'paused'
  return (
    <Section
      title={active ? 'Rotation in progress' : 'Last rotation'}
      aside={
        <Group gap="xs">
          <Badge color={colors[r.status]}>{r.status}</Badge>
          {r.emergency && <Badge color="red">emergency</Badge>}
        </Group>
      }
    >
      <Stack gap="md">
        {r.reason && (
          <Alert
            color={r.status === 'paused' ? 'yellow' : 'gray'}
            title={r.status === 'paused' ? 'Paused' : 'Why it ended'}
          >
            <Text size="sm" c="var(--mantine-color-text)">
              <Prose of={r.reason} />
            </Text>
          </Alert>
        )}
        <Phases rotation={r} active={active} />
        {active && r.gate && <GateView gate={r.gate} label={`Ready for the next step after "${r.phase}"`} />}
        <Facts
          of={[
            ['Replaces', r.replaces.length ? <span className="mono">{r.replaces.join(', ')}</span> : '–'],
            ['Started', <Ago key="at" at={r.started_at} />],
            ['Started by', <Actor key="by" of={r.started_by} />],
            r.ended_at && ['Ended', <Ago key="end" at={r.ended_at} />],
            [
              'Members that are offline',
              r.offline === 'wait' ? 'the rotation waits for them' : 'the rotation does not wait for them',
            ],
            [
              'Each step waits',
              r.deadline
                ? `${durationOf(r.deadline)} at most, then ${afterDeadline(r.on_deadline)}`
                : 'until all are ready',
            ],
            r.dropped.length && ['Continued without', r.dropped.join(', ')],
          ]}
        />
        {active && <Control rotation={r} />}
      </Stack>
    </Section>
  )
}

function Phases({ rotation: r, active }: { rotation: Rotation; active: boolean }) {
  return (
    <Stack gap={8} component="ol" m={0} p={0} style={{ listStyle: 'none' }} aria-label="Phases">
      {r.phases.map((p, i) => {
        const current = active && i === r.phases.length - 1
        return (
          <Group component="li" key={p.phase + p.at} gap="sm" wrap="nowrap">
            {current ? (
              <IconCircleDashed size={18} color="var(--link)" aria-hidden="true" />
            ) : (
              <IconCheck size={18} color="var(--good)" aria-hidden="true" />
            )}
            <Text size="sm" fw={current ? 600 : 400} flex={1}>
              {p.phase}
              {current && ' (now)'}
            </Text>
            <Text size="xs" c="dimmed" className="numbers">
              {p.seconds.toFixed(1)} s
            </Text>
          </Group>
        )
      })}
    </Stack>
  )
}

function Control({ rotation: r }: { rotation: Rotation }) {
  const [aborting, setAborting] = useState(false)
  const [resuming, setResuming] = useState(false)
  const resume = useResumeRotation()
  const abort = useAbortRotation()
  if (!useCan('ca:rotate')) return null
  return (
    <Group>
      {r.status === 'paused' && (
        <Button leftSection={<IconPlayerPlay size={16} />} onClick={() => setResuming(true)}>
          Resume…
        </Button>
      )}
      <Button variant="default" onClick={() => setAborting(true)}>
        Abort…
      </Button>
      {resuming && (
        <Confirm
          title="Resume the rotation"
          action="Resume rotation"
          pending={resume.isPending}
          error={resume.error}
          close={() => setResuming(false)}
          confirm={() =>
            resume.mutate(undefined, {
              onSuccess: () => {
                setResuming(false)
                say.done('The rotation continues.')
              },
            })
          }
        >
          <Consequences
            of={[
              'the rotation continues where it was paused;',
              'once the new authority is active, the old one cannot be restored.',
            ]}
          />
        </Confirm>
      )}
      {aborting && (
        <Confirm
          title="Abort the rotation"
          action="Abort rotation"
          pending={abort.isPending}
          error={abort.error}
          close={() => setAborting(false)}
          confirm={() => abort.mutate(undefined, { onSuccess: () => setAborting(false) })}
        >
          <Consequences
            of={[
              'the authority that is active stays active;',
              'a prepared authority stays prepared, and the next rotation uses it;',
              'no stream is closed. A rotation whose old authority is already tainted cannot be aborted.',
            ]}
          />
        </Confirm>
      )}
    </Group>
  )
}
