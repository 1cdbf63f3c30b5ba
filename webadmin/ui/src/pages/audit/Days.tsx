import { Group, Text, TextInput } from '@mantine/core'
import type { List } from '@/ui/list'

/** The days that a list of the log is limited to. */
export function Days({ list }: { list: List }) {
  return (
    <Group gap={6} wrap="nowrap" w={{ base: '100%', xs: 'auto' }}>
      <Day list={list} name="since" word="from" label="Since" />
      <Day list={list} name="until" word="to" label="Until" />
    </Group>
  )
}

function Day({ list, name, word, label }: { list: List; name: string; word: string; label: string }) {
  return (
    <>
      <Text size="xs" c="dimmed" aria-hidden="true">
        {word}
      </Text>
      <TextInput
        type="date"
        flex={1}
        miw={0}
        styles={{ input: { paddingInline: 7 } }}
        aria-label={label}
        value={list.get(name)}
        onChange={(e) => list.set(name, e.currentTarget.value)}
      />
    </>
  )
}
