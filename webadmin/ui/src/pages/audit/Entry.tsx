import { Stack, Text } from '@mantine/core'
import type { AuditEvent } from '@/api/types'
import { Mono } from '@/ui/Copy'
import { outcomeTone, Target } from '@/ui/Events'
import { Facts } from '@/ui/Page'
import { State } from '@/ui/Status'
import { fullTime } from '@/ui/time'

/** All that the log holds of one event. */
export function Entry({ event: e }: { event: AuditEvent }) {
  return (
    <Stack>
      <Facts
        of={[
          ...(e.index === undefined ? [] : [['Index', String(e.index)] as [string, string]]),
          ['Time', fullTime(e.at)],
          ['Target', <Target key="target" of={e.target} />],
          ['Outcome', <State key="outcome" tone={outcomeTone(e.outcome)} label={e.outcome} />],
          ...(e.reason ? [['Reason', e.reason] as [string, string]] : []),
          ['Actor', e.actor || '–'],
          ['From', e.source || '–'],
          ['Request id', e.request_id ? <Mono key="request" value={e.request_id} label="request id" /> : '–'],
        ]}
      />
      <Change title="Before" json={e.before} />
      <Change title="After" json={e.after} />
    </Stack>
  )
}

function Change({ title, json }: { title: string; json?: string }) {
  if (!json) return null
  return (
    <div>
      <Text size="sm" fw={560} mb={4}>
        {title}
      </Text>
      <pre className="command">{pretty(json)}</pre>
    </div>
  )
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2)
  } catch {
    return json
  }
}
