import { Text } from '@mantine/core'
import { useWindowEvent } from '@mantine/hooks'
import { type Location, useBlocker } from 'react-router'
import { Confirm } from './Confirm'

type LeavingProps = {
  /** A sentence that says what is lost. */
  loses: string
  /** Whether another location still shows it. */
  stays?: (to: Location) => boolean
}

/** While it is rendered, asks before the page is left or reloaded, because it shows something only once. */
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
