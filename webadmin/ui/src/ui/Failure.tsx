import { Alert, Box, Button, Group, Stack, Text } from '@mantine/core'
import { IconAlertTriangle, IconPlugConnectedX } from '@tabler/icons-react'
import { APIError, isProblem, isUnread } from '@/api/client'
import { useLiveness } from '@/api/liveness'
import { faultsOf, kindOf, type Sayings, wordsOf } from '@/api/words'
import { BrokenTests } from './BrokenTests'
import { Copy } from './Copy'
import { Empty } from './Page'
import { headOf } from './policytests'
import { Prose } from './prose'

type FailureProps = {
  error: unknown
  retry?: () => void
  /** Texts for kinds of errors in this place. */
  says?: Sayings
  /** What has failed, of an error that is no answer of the API. */
  title?: string
}

/** What was read from the controller, or was not. */
export type Read = { data?: unknown; error: unknown; refetch: () => unknown }

type ReadFailureProps = {
  of: Read | Read[]
  says?: Sayings
  /** What is around it has no padding, as a list has none. */
  flush?: boolean
}

/**
 * Why a part of a page could not be read, once for all that it consists of. While the
 * controller is away the notice above the page says why: what was read before stays, and
 * only a part without anything to show needs a word.
 */
export function ReadFailure({ of, says, flush }: ReadFailureProps) {
  const { state } = useLiveness()
  const failed = [of].flat().filter((q) => q.error)
  const error = failed[0]?.error
  if (!error) return null
  if ((state === 'away' || state === 'catching') && isUnread(error)) {
    if (failed.every((q) => q.data !== undefined)) return null
    return <Unread flush={flush} />
  }
  const retry = () => failed.forEach((q) => q.refetch())
  return (
    <Box p={flush ? 'md' : 0}>
      <Failure error={error} retry={retry} says={says} />
    </Box>
  )
}

function Unread({ flush }: { flush?: boolean }) {
  const text = 'It appears here when the controller is back.'
  if (flush) return <Empty icon={IconPlugConnectedX} title="No answer yet" children={text} />
  return (
    <Text size="sm" c="dimmed">
      No answer yet. {text}
    </Text>
  )
}

/** Says what is wrong and what to do, and under which request id the log has more. */
export function Failure({ error, retry, says, title: named }: FailureProps) {
  const p = error instanceof APIError ? error.problem : null
  const { title, detail } = wordsOf(error, says)
  const faults = faultsOf(error)
  const broken = p?.policy_tests ?? []
  return (
    <Alert
      color="red"
      icon={<IconAlertTriangle size={18} />}
      title={named ?? (broken.length ? headOf(broken) : title)}
      role="alert"
    >
      <Stack gap={6} align="flex-start">
        {broken.length > 0 ? (
          <BrokenTests of={broken} advice={says?.[kindOf(error)]} />
        ) : faults.size > 0 ? (
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
          <Group gap={4} wrap="nowrap">
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
