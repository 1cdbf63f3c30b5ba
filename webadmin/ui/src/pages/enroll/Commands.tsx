import { SegmentedControl, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import type { InstallCommand } from '@/api/types'
import { Command } from '@/ui/Copy'

const names: Record<string, string> = {
  stdin: 'Standard input',
  file: 'File',
  environment: 'Environment',
  sealed: 'Sealed',
}

type CommandsProps = { commands?: InstallCommand[]; first: string }

/** The ways to enroll with one token: the one that leaves nothing behind is shown first. */
export function Commands({ commands = [], first }: CommandsProps) {
  const [form, setForm] = useState(commands[0]?.form ?? '')
  const chosen = commands.find((c) => c.form === form)
  return (
    <Stack gap="xs">
      {commands.length > 1 && (
        <SegmentedControl
          size="xs"
          aria-label="How the token is handed over"
          data={commands.map((c) => ({ value: c.form, label: names[c.form] ?? c.form }))}
          value={form}
          onChange={setForm}
          style={{ alignSelf: 'flex-start' }}
        />
      )}
      <Command value={chosen?.command ?? first} label="command" />
      {chosen?.warning && (
        <Text size="sm" c="var(--warn)">
          {chosen.warning}
        </Text>
      )}
    </Stack>
  )
}
