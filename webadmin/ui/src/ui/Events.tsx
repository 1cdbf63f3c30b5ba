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

/** Where a target of an event is shown, if it is shown anywhere. */
export function targetPath(target: string): string | null {
  const [kind, id] = target.split('/', 2)
  if (!id) return null
  if (kind === 'connector' || kind === 'tunneler') return `/${kind}s/${encodeURIComponent(id)}`
  if (kind === 'token') return `/tokens/${encodeURIComponent(id)}`
  return null
}

export function Target({ of }: { of: string }) {
  const path = targetPath(of)
  if (!path) return <span className="mono wrap">{of}</span>
  return (
    <Link to={path} className="mono wrap">
      {of}
    </Link>
  )
}

/** Events of the audit log, newest first, each in two lines. */
export function Events({ events }: { events: AuditEvent[] }) {
  return (
    <Stack gap={10} component="ol" m={0} p={0} style={{ listStyle: 'none' }}>
      {events.map((e) => (
        <Group component="li" key={e.index ?? e.time + e.action + e.target} gap={10} wrap="nowrap" align="flex-start">
          <span className="dot" style={{ color: colors[outcomeTone(e.outcome)], marginTop: 6 }} aria-hidden="true" />
          <div style={{ minWidth: 0, flex: 1 }}>
            <Group justify="space-between" gap={8} wrap="nowrap" align="baseline">
              <Text size="sm" className="wrap">
                <Text span fw={560} size="sm">
                  {e.action}
                </Text>{' '}
                <Target of={e.target} />
              </Text>
              <Text size="xs" c="dimmed" style={{ flex: 'none' }}>
                <Ago at={e.time} />
              </Text>
            </Group>
            <Text size="xs" c="dimmed" className="wrap">
              {e.outcome}
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
