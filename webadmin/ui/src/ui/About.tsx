import { Badge, Button, Group, Text } from '@mantine/core'
import { IconPencil } from '@tabler/icons-react'
import { useState } from 'react'
import { Link } from 'react-router'
import type { About as Described } from '@/api/types'
import { useCan } from '@/app/session'
import { EditAbout, type EditProps } from './EditAbout'
import { textsOf } from './labels'
import { Facts, Section } from './Page'

type AboutProps = Omit<EditProps, 'close'> & { list: string; final: boolean }

/** The name, labels and notes that operators give a member or host, and the button to edit them. */
export function About({ list, final, ...edit }: AboutProps) {
  const [open, setOpen] = useState(false)
  const may = useCan('fleet:write') && !final
  const { name, notes } = edit.of
  return (
    <Section
      title="About"
      aside={
        may && (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconPencil size={14} />}
            onClick={() => setOpen(true)}
            aria-label={`Edit name, labels and notes of ${edit.id}`}
          >
            Edit
          </Button>
        )
      }
    >
      <Facts
        of={[
          ['Name', name || <Nothing key="name" />],
          ['Labels', <LabelLinks key="labels" of={edit.of} list={list} />],
          [
            'Notes',
            notes ? (
              <Text key="notes" size="sm" style={{ whiteSpace: 'pre-wrap' }} className="wrap">
                {notes}
              </Text>
            ) : (
              <Nothing key="notes" />
            ),
          ],
        ]}
      />
      {open && <EditAbout {...edit} close={() => setOpen(false)} />}
    </Section>
  )
}

function Nothing() {
  return (
    <Text span size="sm" c="dimmed">
      none
    </Text>
  )
}

/** Labels; each links to the list of everything with that label. */
export function LabelLinks({ of, list }: { of: Pick<Described, 'labels'>; list: string }) {
  const texts = textsOf(of.labels)
  if (!texts.length) return <Nothing />
  return (
    <Group gap={4}>
      {texts.map((t) => (
        <Badge
          key={t}
          color="gray"
          className="mono"
          fw={450}
          component={Link}
          to={`${list}?label=${encodeURIComponent(t)}`}
        >
          {t}
        </Badge>
      ))}
    </Group>
  )
}

const shown = 3

/** The name and labels in a list, below the id. */
export function AboutLine({ of: { name, labels } }: { of: Pick<Described, 'name' | 'labels'> }) {
  const texts = textsOf(labels)
  if (!name && !texts.length) return null
  return (
    <span className="about">
      {name && <span className="wrap">{name}</span>}
      {texts.slice(0, shown).map((t) => (
        <Badge key={t} color="gray" size="xs" className="mono" fw={450} title={t}>
          {t}
        </Badge>
      ))}
      {texts.length > shown && <span title={texts.slice(shown).join(', ')}>+{texts.length - shown}</span>}
    </span>
  )
}
