import { Button, Group, Stack, Text } from '@mantine/core'
import { Link } from 'react-router'
import type { Kind } from '@/api/types'
import type { Stage } from '@/ui/enrollment'
import { Section } from '@/ui/Page'

const next = {
  connector: {
    text: 'It accepts tunnelers now. With a second connector in the same network, tunnelers keep their access when this one is down.',
    other: { to: '/tunnelers/new', label: 'Add a tunneler' },
    again: 'Add another connector',
  },
  tunneler: {
    text: 'It has a session with a connector now. Its page shows which one, and its history.',
    other: { to: '/tunnelers', label: 'All tunnelers' },
    again: 'Add another tunneler',
  },
}

/** What to do when the host is ONLINE. */
export function Next({ kind, id }: { kind: Kind; id: string }) {
  const words = next[kind]
  return (
    <Section title={`The ${kind} is online`}>
      <Stack>
        <Text size="sm">The token is used up and enrolls no other host. {words.text}</Text>
        <Group gap="xs">
          <Button component={Link} to={`/${kind}s/${encodeURIComponent(id)}`}>
            Open the {kind}
          </Button>
          <Button component={Link} to={`/${kind}s/new`} variant="default">
            {words.again}
          </Button>
          <Button component={Link} to={words.other.to} variant="default">
            {words.other.label}
          </Button>
        </Group>
      </Stack>
    </Section>
  )
}

/** What to do when the token ended before the host used it. */
export function Spent({ kind, stage }: { kind: Kind; stage: Stage }) {
  return (
    <Section title={`The token is ${stage}`}>
      <Stack>
        <Text size="sm">
          {stage === 'expired'
            ? 'No host used it in time. A token that is valid for longer gives the host more time.'
            : 'Somebody revoked it, so no host can use it. The audit log says who.'}
        </Text>
        <Group>
          <Button component={Link} to={`/${kind}s/new`}>
            Create a new token
          </Button>
        </Group>
      </Stack>
    </Section>
  )
}

/** After a reload: the page follows the enrollment, but the secret is gone. */
export function NotShownAgain({ tokenID }: { tokenID: string }) {
  return (
    <Section title="The token is not shown again">
      <Stack>
        <Text size="sm">
          It was shown once, when it was created, and the controller does not store it. If nobody copied it, revoke it
          and create a new one. This page still follows the enrollment.
        </Text>
        <Group>
          <Button component={Link} to={`/tokens/${encodeURIComponent(tokenID)}`} variant="default">
            Open the token
          </Button>
        </Group>
      </Stack>
    </Section>
  )
}
