import { Stack, Text } from '@mantine/core'
import { Link } from 'react-router'
import type { AttentionItem, Status } from '@/api/types'
import { Section } from '@/ui/Page'

/** What an operator has to look into; nothing while there is nothing. */
export function Attention({ status }: { status?: Status }) {
  if (!status?.attention.length) return null
  const more = status.attention_total - status.attention.length
  return (
    <Section title="Attention">
      <Stack gap="sm">
        {status.attention.map((item) => (
          <Item key={item.kind + (item.member ?? '')} item={item} />
        ))}
        {more > 0 && (
          <Text size="sm" c="dimmed">
            and {more.toLocaleString()} more
          </Text>
        )}
      </Stack>
    </Section>
  )
}

function Item({ item }: { item: AttentionItem }) {
  const [kind, id = ''] = (item.member ?? '').split('/')
  return (
    <div>
      <Text size="sm" fw={560}>
        {id && (
          <Link to={`/${kind}s/${encodeURIComponent(id)}`} className="mono wrap plain">
            {item.member}
          </Link>
        )}{' '}
        {item.found}
      </Text>
      <Text size="sm" c="dimmed">
        {item.do}
      </Text>
    </div>
  )
}
