import { Group, Text, Tooltip } from '@mantine/core'
import { useLiveness } from '@/api/events'

const faces = {
  live: { label: 'Live', color: 'var(--good)', why: 'This page updates by itself.' },
  polling: {
    label: 'Reconnecting',
    color: 'var(--warn)',
    why: 'The live connection is lost. The page updates every 10 seconds until it is back.',
  },
  connecting: { label: 'Connecting', color: 'var(--quiet)', why: 'Opening the live connection.' },
}

/** Says honestly whether what is on the page follows the controller by itself. */
export function Live() {
  const l = useLiveness()
  const face = faces[l]
  return (
    <Tooltip label={face.why} multiline w={240}>
      <Group
        gap={7}
        wrap="nowrap"
        px={8}
        role="status"
        aria-label={`Updates: ${face.label}`}
        tabIndex={0}
        c={face.color}
      >
        <span className="dot" data-live={l === 'live' || undefined} />
        <Text size="xs" fw={560} visibleFrom="xs" c="inherit">
          {face.label}
        </Text>
      </Group>
    </Tooltip>
  )
}
