import { Button, Group, Stack, Text } from '@mantine/core'
import { IconExternalLink } from '@tabler/icons-react'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { base } from '@/api/client'
import { onConfirmed } from '@/api/confirmed'
import { session, setup } from '@/api/queries'
import { Failure } from '@/ui/Failure'

const away = `${base}/session/oidc/start?step_up=true&return_to=${encodeURIComponent('/confirmed')}`

/** A person of an identity provider confirms there, in another tab: this page keeps what was typed. */
export function StepUpElsewhere({ done }: { done: (ok: boolean) => void }) {
  const queries = useQueryClient()
  const provider = useQuery(setup).data?.oidc.name || 'your identity provider'
  const [before] = useState(() => queries.getQueryData(session.queryKey)?.step_up_until)
  const check = useMutation({
    mutationFn: () => queries.fetchQuery({ ...session, staleTime: 0 }),
    onSuccess: (s) => s && s.step_up_until !== before && done(true),
  })
  const { mutate, isSuccess, isPending, error } = check
  useEffect(() => onConfirmed(mutate), [mutate])
  return (
    <Stack>
      <Text size="sm" c="dimmed">
        This action needs a recent confirmation of your identity. It is valid for 5 minutes.
      </Text>
      <Text size="sm">
        Sign in at {provider} again. That opens another tab; this page keeps what you typed and continues afterwards.
      </Text>
      <Button
        component="a"
        href={away}
        target="_blank"
        rel="noopener"
        data-autofocus
        leftSection={<IconExternalLink size={16} />}
      >
        Sign in at {provider}
      </Button>
      {isSuccess && (
        <Text size="sm" c="var(--warn)" role="status">
          You have not confirmed yet: finish signing in at {provider} first.
        </Text>
      )}
      {error && <Failure error={error} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={() => done(false)}>
          Cancel
        </Button>
        <Button variant="default" loading={isPending} onClick={() => mutate()}>
          I have signed in
        </Button>
      </Group>
    </Stack>
  )
}
