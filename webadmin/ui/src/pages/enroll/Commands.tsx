import { SegmentedControl, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import type { InstallCommand } from '@/api/types'
import { Command } from '@/ui/Copy'
import { Prose } from '@/ui/prose'

const names: Record<string, string> = {
  stdin: 'At the prompt',
  environment: 'In the command',
  program: 'Installed',
  file: 'In a file',
  sealed: 'Sealed',
  claim: 'By the link',
}

type CommandsProps = { commands?: InstallCommand[]; first: string; token?: string }

/**
 * The ways to enroll with one token; the first one leaves the token in no file or history. A command
 * that does not contain the token has it beside it.
 */
export function Commands({ commands = [], first, token }: CommandsProps) {
  const [form, setForm] = useState(commands[0]?.form ?? '')
  const chosen = commands.find((c) => c.form === form)
  const command = chosen?.command ?? first
  return (
    <Stack gap="xs">
      {commands.length > 1 && (
        <SegmentedControl
          size="xs"
          aria-label="How to pass the token"
          data={commands.map((c) => ({ value: c.form, label: names[c.form] ?? c.form }))}
          value={form}
          onChange={setForm}
          style={{ alignSelf: 'flex-start' }}
        />
      )}
      {chosen?.requires && (
        <Text size="sm">
          <b>First:</b> <Prose of={chosen.requires} />.
        </Text>
      )}
      {command ? (
        <Command value={command} label="command" />
      ) : (
        <Text size="sm" c="var(--warn)">
          There is no command to paste: the controller does not know at which address hosts reach it. Set
          public_address.
        </Text>
      )}
      {chosen?.warning && (
        <Text size="sm" c="var(--warn)">
          <Prose of={chosen.warning} />
        </Text>
      )}
      {token && (
        <>
          <Text size="sm">{!command || command.includes(token) ? 'The token alone:' : hint(form)}</Text>
          <Command value={token} label="token" />
        </>
      )}
    </Stack>
  )
}

function hint(form: string) {
  return form === 'file'
    ? 'The token for that file:'
    : 'The command asks for the token. Paste it at the prompt, so that it is in no shell history or process list:'
}
