import { Actor } from '@/ui/Actor'
import { Stack, Text } from '@mantine/core'
import { Link } from 'react-router'
import type { AuditEvent } from '@/api/types'
import { Mono } from '@/ui/Copy'
import { outcomeTone, Target } from '@/ui/Events'
import { Facts } from '@/ui/Page'
import { State } from '@/ui/Status'
import { fullTime } from '@/ui/time'

/** Everything that the log has about one event. */
export function Entry({ event: e }: { event: AuditEvent }) {
  return (
    <Stack>
      <Facts
        of={[
          e.index !== undefined && ['Index', String(e.index)],
          [
            'Action',
            <Link key="action" to={`/audit?action=${encodeURIComponent(e.action)}`} className="mono">
              {e.action}
            </Link>,
          ],
          ['Time', fullTime(e.time)],
          ['Target', <Target key="target" of={e} />],
          ['Outcome', <State key="outcome" tone={outcomeTone(e.outcome)} label={e.outcome} />],
          ['Level', e.level],
          e.reason && ['Reason', e.reason],
          ['Actor', <Actor key="actor" of={e.actor} />],
          ['From', e.source || '–'],
          ['Request id', e.request_id ? <Mono key="request" value={e.request_id} label="request id" /> : '–'],
        ]}
      />
      <Change title="Before" value={e.before} />
      <Change title="After" value={e.after} />
    </Stack>
  )
}

function Change({ title, value }: { title: string; value: unknown }) {
  if (value === undefined || value === null) return null
  return (
    <div>
      <Text size="sm" fw={560} mb={4}>
        {title}
      </Text>
      <pre className="command">{JSON.stringify(value, null, 2)}</pre>
    </div>
  )
}
