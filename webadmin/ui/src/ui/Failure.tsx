import { Alert, Button, Group, Stack, Text } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import { APIError } from '@/api/client'
import { Copy } from './Copy'

/** Says what went wrong, in the API's own words, and under which request id the log has more. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const p = error instanceof APIError ? error.problem : null
  return (
    <Alert color="red" icon={<IconAlertTriangle size={18} />} title="The request failed" role="alert">
      <Stack gap={6} align="flex-start">
        <Text size="sm" c="var(--mantine-color-text)">
          {error instanceof Error ? error.message : String(error)}
          {p?.field && (
            <>
              {' '}
              (field <code>{p.field}</code>)
            </>
          )}
        </Text>
        {p?.request_id && (
          <Group gap={4}>
            <Text size="xs" c="var(--mantine-color-text)">
              Request id <code className="wrap">{p.request_id}</code>
            </Text>
            <Copy value={p.request_id} label="Copy request id" />
          </Group>
        )}
        {retry && (
          <Button size="xs" variant="default" onClick={retry}>
            Try again
          </Button>
        )}
      </Stack>
    </Alert>
  )
}
