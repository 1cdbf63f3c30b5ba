import { Text } from '@mantine/core'
import { useWindowEvent } from '@mantine/hooks'
import { type Location, useBlocker } from 'react-router'
import { Confirm } from './Confirm'

type LeavingProps = {
  /** What is lost, as a sentence. */
  loses: string
  /** Whether a place still shows it. */
  stays?: (to: Location) => boolean
}

/** Asks before a page is left or reloaded, as long as it is rendered: what it shows cannot be shown again. */
export function Leaving({ loses, stays = () => false }: LeavingProps) {
  // The browser asks in its own words.
  useWindowEvent('beforeunload', (e) => e.preventDefault())
  const blocker = useBlocker(({ nextLocation }) => !stays(nextLocation))
  if (blocker.state !== 'blocked') return null
  return (
    <Confirm
      title="Leave this page?"
      action="Leave"
      pending={false}
      error={null}
      close={blocker.reset}
      confirm={blocker.proceed}
    >
      <Text size="sm">{loses}</Text>
    </Confirm>
  )
}
