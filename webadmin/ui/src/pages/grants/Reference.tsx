import { Autocomplete, Group, Radio, Stack } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { resources } from '@/api/access'
import { members } from '@/api/members'
import { textsOf } from '@/ui/labels'
import type { Choice } from './draft'

/** How the choices are called where they are not those of a grant. */
type Words = { id: string; choice: string; field: string; description: string }

type SideProps = {
  kind: 'tunneler' | 'resource'
  value: Choice
  set: (c: Choice) => void
  fault?: string
  /** It has the focus when the dialog opens. */
  first?: boolean
  words?: Words
}

const suggested = 8

/** One side of a grant: a tunneler or resource by its id, or all with a label. What is typed is looked for. */
export function Side({ kind, value: c, set, fault, first, words }: SideProps) {
  const typed = c.by === 'id' ? c.id.trim() : c.label.trim()
  const [q] = useDebouncedValue(typed, 200)
  const query = { q: c.by === 'id' && q ? q : undefined, page_size: c.by === 'id' ? suggested : 100 }
  const tunnelers = useQuery({ ...members('tunneler', query), enabled: kind === 'tunneler' })
  const found = useQuery({ ...resources(query), enabled: kind === 'resource' })
  const things = kind === 'tunneler' ? tunnelers.data?.members : found.data?.resources
  const labels = [...new Set(things?.flatMap((x) => textsOf(x.labels ?? {})))].sort()
  const said = words ?? {
    id:
      kind === 'tunneler'
        ? 'It need not be enrolled yet: the grant holds from then on.'
        : 'The resource has to be there.',
    choice: `All ${kind}s with a label`,
    field: `Label of the ${kind}s`,
    description: `As key=value. Also ${kind}s that get the label later are included.`,
  }
  const who = kind === 'tunneler' ? 'Who' : 'What'
  return (
    <Stack gap={6}>
      <Radio.Group
        label={who}
        value={c.by}
        onChange={(by) => set({ ...c, by: by as Choice['by'] })}
        aria-label={`${who}: one ${kind}, or by a label`}
      >
        <Group gap="lg" mt={4}>
          <Radio value="id" label={`One ${kind}`} />
          <Radio value="label" label={said.choice} />
        </Group>
      </Radio.Group>
      {c.by === 'id' ? (
        <Autocomplete
          label={kind === 'tunneler' ? 'Id of the tunneler' : 'Id of the resource'}
          description={said.id}
          required
          data-autofocus={first || undefined}
          data={things?.map((x) => x.id) ?? []}
          limit={suggested}
          openOnFocus={false}
          filter={({ options }) => options} // the API has searched, also in names
          value={c.id}
          onChange={(id) => set({ ...c, id })}
          error={fault}
          spellCheck={false}
          autoComplete="off"
        />
      ) : (
        <Autocomplete
          label={said.field}
          description={said.description}
          placeholder={kind === 'tunneler' ? 'team=dev' : 'env=prod'}
          required
          data-autofocus={first || undefined}
          data={labels}
          limit={suggested}
          openOnFocus={false}
          value={c.label}
          onChange={(label) => set({ ...c, label })}
          error={fault}
          spellCheck={false}
          autoComplete="off"
        />
      )}
    </Stack>
  )
}
