import { ActionIcon, Badge, Group, Stack, Text, Tooltip } from '@mantine/core'
import { IconAlertOctagon, IconAlertTriangle, IconX } from '@tabler/icons-react'
import { Link } from 'react-router'
import { useWhyNot } from '@/api/liveness'
import { useDismiss } from '@/api/changes'
import type { AttentionItem, Status } from '@/api/types'
import { useCan } from '@/app/session'
import { Section } from '@/ui/Page'
import { Prose, unmarked } from '@/ui/prose'
import { say } from '@/ui/say'
import { Since } from '@/ui/time'

/** What an operator has to look into; empty if there is nothing. */
export function Attention({ status }: { status?: Status }) {
  if (!status?.attention.length) return null
  const more = status.attention_total - status.attention.length
  // The gravest are first, so they are among those that are listed.
  const critical = status.attention.some((i) => i.severity === 'critical')
  return (
    <Section
      title="Attention"
      aside={<Badge color={critical ? 'red' : 'yellow'}>{status.attention_total.toLocaleString()}</Badge>}
    >
      <Stack gap="sm" component="ul" m={0} p={0} style={{ listStyle: 'none' }}>
        {status.attention.map((item) => (
          <Item key={item.id} item={item} />
        ))}
        {more > 0 && (
          <Text size="sm" c="dimmed" component="li">
            and {more.toLocaleString()} more. The gravest are shown first.
          </Text>
        )}
      </Stack>
    </Section>
  )
}

const tones = {
  critical: { icon: IconAlertOctagon, color: 'var(--bad)', label: 'Critical' },
  warning: { icon: IconAlertTriangle, color: 'var(--warn)', label: 'Warning' },
}

function Item({ item }: { item: AttentionItem }) {
  const tone = tones[item.severity]
  return (
    <Group component="li" gap="sm" wrap="nowrap" align="flex-start">
      <tone.icon
        size={18}
        stroke={1.8}
        color={tone.color}
        aria-label={tone.label}
        role="img"
        style={{ flex: 'none' }}
      />
      <div style={{ minWidth: 0, flex: 1 }}>
        <Text size="sm" fw={560} className="wrap">
          <Link to={item.page} className="plain">
            {item.subject && <span className="mono">{item.subject}: </span>}
            <Prose of={item.found} />
          </Link>
        </Text>
        <Text size="sm" c="dimmed">
          <Prose of={item.do} />
          {item.since && (
            <>
              {' '}
              (for <Since at={item.since} />)
            </>
          )}
        </Text>
      </div>
      <Dismiss item={item} />
    </Group>
  )
}

function Dismiss({ item }: { item: AttentionItem }) {
  const dismiss = useDismiss()
  const whyNot = useWhyNot()
  if (!useCan('attention:dismiss')) return null
  const what = unmarked(item.subject ? `${item.subject}: ${item.found}` : item.found)
  return (
    <Tooltip label={whyNot ?? 'Dismiss until its state changes. The audit log records it.'} multiline w={220}>
      <ActionIcon
        variant="subtle"
        color="gray"
        aria-label={`Dismiss: ${what}`}
        loading={dismiss.isPending}
        aria-disabled={!!whyNot || undefined}
        data-disabled={!!whyNot || undefined}
        onClick={() => {
          if (!whyNot) dismiss.mutate(item.id, { onError: say.failure })
        }}
      >
        <IconX size={16} aria-hidden="true" />
      </ActionIcon>
    </Tooltip>
  )
}
