import { Group, Stack, Text } from '@mantine/core'
import { Link } from 'react-router'
import type { AuditEvent } from '@/api/types'
import type { Tone } from './Status'
import { Actor } from './Actor'
import { Ago } from './time'

const tones: Record<string, Tone> = { success: 'good', denied: 'bad' }
const colors: Record<Tone, string> = {
  good: 'var(--good)',
  bad: 'var(--bad)',
  warn: 'var(--warn)',
  quiet: 'var(--quiet)',
}

export const outcomeTone = (outcome: string): Tone => tones[outcome] ?? 'quiet'

/** A success is not always good news: a contested host is an alert. */
export function eventTone(e: Pick<AuditEvent, 'level' | 'outcome'>): Tone {
  if (e.level === 'alert') return 'bad'
  if (e.level === 'warning' && e.outcome !== 'denied') return 'warn'
  return outcomeTone(e.outcome)
}

/** How it ended; what an attack looks like is called so, because its outcome may be a success. */
export const eventWord = (e: Pick<AuditEvent, 'level' | 'outcome'>) => (e.level === 'alert' ? 'alert' : e.outcome)

type TargetProps = Pick<AuditEvent, 'target' | 'target_kind' | 'target_id'>

/** The page of an event's target, if it has one. */
function targetPath({ target_kind: kind, target_id: id }: TargetProps): string | null {
  if (!id) return null
  if (kind === 'connector' || kind === 'tunneler' || kind === 'host' || kind === 'resource')
    return `/${kind}s/${encodeURIComponent(id)}`
  if (kind === 'grant') return `/grants?q=${encodeURIComponent(id)}`
  if (kind === 'policy-test') return `/policy-tests?q=${encodeURIComponent(id)}`
  if (kind === 'token') return `/tokens/${encodeURIComponent(id)}`
  return null
}

export function Target({ of: e }: { of: TargetProps }) {
  const path = targetPath(e)
  if (!path) return <span className="mono wrap">{e.target}</span>
  return (
    <Link to={path} className="mono wrap">
      {e.target}
    </Link>
  )
}

/** Events of the audit log, newest first, each in two lines. */
export function Events({ events }: { events: AuditEvent[] }) {
  return (
    <Stack gap={10} component="ol" m={0} p={0} style={{ listStyle: 'none' }}>
      {events.map((e) => (
        <Group component="li" key={e.index ?? e.time + e.action + e.target} gap={10} wrap="nowrap" align="flex-start">
          <span className="dot" style={{ color: colors[eventTone(e)], marginTop: 6 }} aria-hidden="true" />
          <div style={{ minWidth: 0, flex: 1 }}>
            <Group justify="space-between" gap={8} wrap="nowrap" align="baseline">
              <Text size="sm" className="wrap">
                <Text span fw={560} size="sm">
                  {e.title}
                </Text>{' '}
                <Target of={e} />
              </Text>
              <Text size="xs" c="dimmed" style={{ flex: 'none' }}>
                <Ago at={e.time} />
              </Text>
            </Group>
            <Text size="xs" c="dimmed" className="wrap">
              {eventWord(e)}
              {e.actor && (
                <>
                  {' · '}
                  <Actor of={e.actor} />
                </>
              )}
              {e.reason && ` · ${e.reason}`}
            </Text>
          </div>
        </Group>
      ))}
    </Stack>
  )
}
