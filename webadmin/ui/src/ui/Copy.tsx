import { ActionIcon, Button, Group, Tooltip } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import { useEffect, useState } from 'react'
import { say } from './say'

async function toClipboard(value: string) {
  if (navigator.clipboard) return navigator.clipboard.writeText(value)
  // Browsers offer the clipboard only over TLS or on loopback.
  throw new Error('The browser allows copying only over HTTPS or on localhost. Select the text instead.')
}

function useCopy(value: string) {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), 1800)
    return () => clearTimeout(timer)
  }, [copied])
  const copy = () => toClipboard(value).then(() => setCopied(true), say.failure)
  return { copied, copy }
}

/** A small button that copies a value. */
export function Copy({ value, label }: { value: string; label: string }) {
  const { copied, copy } = useCopy(value)
  return (
    <Tooltip label={copied ? 'Copied' : label}>
      <ActionIcon
        variant="subtle"
        color={copied ? 'petrol' : 'gray'}
        size="sm"
        onClick={copy}
        aria-label={copied ? 'Copied' : label}
      >
        {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
      </ActionIcon>
    </Tooltip>
  )
}

/** Text of a machine with its copy button: ids, serials, addresses. */
export function Mono({ value, label }: { value: string; label: string }) {
  return (
    <Group gap={4} wrap="nowrap" align="flex-start">
      <span className="mono wrap">{value}</span>
      <Copy value={value} label={`Copy ${label}`} />
    </Group>
  )
}

/** A command to paste. */
export function Command({ value, label }: { value: string; label: string }) {
  const { copied, copy } = useCopy(value)
  return (
    <div>
      <section aria-label={label}>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a long one scrolls, and a keyboard has to reach that */}
        <pre className="command" tabIndex={0}>
          {value}
        </pre>
      </section>
      <Group justify="flex-end" mt={8}>
        <Button
          size="xs"
          variant="default"
          leftSection={copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
          onClick={copy}
        >
          {copied ? 'Copied' : `Copy ${label}`}
        </Button>
      </Group>
    </div>
  )
}
