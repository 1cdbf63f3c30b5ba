import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import { APIError, isProblem, isUnread } from '@/api/client'
import { useLiveness } from '@/api/liveness'
import { faultsOf, type Sayings, wordsOf } from '@/api/words'
import { Copy } from './Copy'
import { Prose } from './prose'

type FailureProps = {
  error: unknown
  retry?: () => void
  /** Texts for kinds of errors in this place. */
  says?: Sayings
}

/** Says what is wrong and what to do, and under which request id the log has more. */
export function Failure({ error, retry, says }: FailureProps) {
  const { state } = useLiveness()
  // The notice above the page says why, once for all its parts.
  if ((state === 'away' || state === 'catching') && isUnread(error)) {
    return (
      <Text size="sm" c="dimmed">
        No answer for this part yet.
      </Text>
    )
  }
  const p = error instanceof APIError ? error.problem : null
  const { title, detail } = wordsOf(error, says)
  const faults = faultsOf(error)
  return (
    <Alert color="red" icon={<IconAlertTriangle size={18} />} title={title} role="alert">
      <Stack gap={6} align="flex-start">
        {faults.size > 0 ? (
          [...faults].map(([field, fault]) => (
            <Text key={field} size="sm" c="var(--mantine-color-text)" className="wrap">
              <code>{field}</code>: <Prose of={fault} />
            </Text>
          ))
        ) : (
          <Text size="sm" c="var(--mantine-color-text)" className="wrap">
            <Prose of={detail} />
          </Text>
        )}
        {p?.request_id && (
          <Group gap={4}>
            <Text size="xs" c="var(--mantine-color-text)">
              Request id <code className="wrap">{p.request_id}</code>
            </Text>
            <Copy value={p.request_id} label="Copy request id" />
          </Group>
        )}
        {retry && !isProblem(error, 'not-found') && (
          <Button size="xs" variant="default" onClick={retry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  )
}
