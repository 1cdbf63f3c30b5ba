import { SegmentedControl, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { enrollment } from '@/api/queries'
import type { Kind } from '@/api/types'
import { Command } from '@/ui/Copy'
import { ReadFailure } from '@/ui/Failure'
import { Loading } from '@/ui/Page'
import { Prose } from '@/ui/prose'

const kinds: { value: Kind; label: string }[] = [
  { value: 'connector', label: 'A connector' },
  { value: 'tunneler', label: 'A tunneler' },
]

/** The command with which a host requests enrollment. */
export function Ask() {
  const [kind, setKind] = useState<Kind>('connector')
  const read = useQuery(enrollment)
  const { data } = read
  if (!data) return read.error ? <ReadFailure of={read} /> : <Loading lines={3} />
  const ask = data.request_commands.find((r) => r.kind === kind)
  if (!ask) {
    return (
      <Text size="sm" c="var(--warn)">
        There is no command to paste: the controller does not know at which address hosts reach it. Set public_address.
      </Text>
    )
  }
  return (
    <Stack gap="xs">
      <SegmentedControl
        size="xs"
        aria-label="Kind of host"
        data={kinds}
        value={kind}
        onChange={(v) => setKind(v as Kind)}
        style={{ alignSelf: 'flex-start' }}
      />
      <Text size="sm">
        <b>First:</b> <Prose of={ask.requires} />.
      </Text>
      <Text size="sm">
        Then run this command there. The id is the host's name; to choose another id, change the value of{' '}
        <code className="whole">--id</code>.
      </Text>
      <Command value={ask.command} label="command" />
    </Stack>
  )
}
