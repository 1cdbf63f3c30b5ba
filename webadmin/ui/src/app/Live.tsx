import { Group, Text, Tooltip } from '@mantine/core'
import { IconPlugConnected, IconPlugConnectedX, IconRefresh } from '@tabler/icons-react'
import { timeOfDay, useLiveness } from '@/api/liveness'

const faces = {
  live: { label: 'Live', color: 'var(--good)', icon: IconPlugConnected, why: 'This page updates by itself.' },
  polling: {
    label: 'Every 10 s',
    color: 'var(--warn)',
    icon: IconRefresh,
    why: 'The controller answers, but its event stream does not reach this browser. The page updates every 10 seconds. Does a proxy hold the stream back?',
  },
  catching: {
    label: 'Updating',
    color: 'var(--quiet)',
    icon: IconRefresh,
    why: 'The controller is back. What this page shows is being read again.',
  },
  connecting: { label: 'Connecting', color: 'var(--quiet)', icon: IconRefresh, why: 'Opening the live connection.' },
  away: {
    label: 'Reconnecting',
    color: 'var(--bad)',
    icon: IconPlugConnectedX,
    why: 'Nothing has arrived from the controller for a while. The page updates by itself when it is back.',
  },
}

/** Says whether what is on the page follows the controller by itself. */
export function Live() {
  const { state, asOf } = useLiveness()
  const face = faces[state]
  const since = state === 'away' && asOf ? `, numbers as of ${timeOfDay(asOf)}` : ''
  return (
    <Tooltip label={face.why} multiline w={240}>
      <Group
        gap={6}
        wrap="nowrap"
        px={8}
        role="status"
        aria-label={`Updates: ${face.label}${since}`}
        tabIndex={0}
        c={face.color}
      >
        <face.icon size={16} stroke={1.8} aria-hidden="true" />
        <Text size="xs" fw={560} visibleFrom="xs" c="inherit">
          {face.label}
        </Text>
      </Group>
    </Tooltip>
  )
}
