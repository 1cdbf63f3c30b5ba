import { Badge, Button, Group, Text } from '@mantine/core'
import { useState } from 'react'
import { Link } from 'react-router'
import type { Grant } from '@/api/types'
import type { Column } from '@/ui/Grid'
import { Id } from '@/ui/Id'
import { At, usePassed } from '@/ui/time'
import { EditGrant } from './Form'
import { hoursOf, pathOf, referenceOf } from './reference'
import { Withdraw } from './Withdraw'

/** Whom a grant is for: a link to the tunneler, or to all with the label. */
export function Subject({ of }: { of: string }) {
  const ref = referenceOf(of)
  return (
    <Link to={pathOf(ref, '/tunnelers')}>
      {ref.kind === 'label' && 'all tunnelers with '}
      <Id of={ref.value} />
    </Link>
  )
}

/** Of what a grant is: a link to the resource, or to all with the label. */
export function Objects({ of }: { of: string }) {
  const ref = referenceOf(of)
  return (
    <Link to={pathOf(ref, '/resources')}>
      {ref.kind === 'label' && 'all resources with '}
      <Id of={ref.value} />
    </Link>
  )
}

/** When a grant holds: until its end, and at certain hours. */
export function When({ of: g }: { of: Grant }) {
  const ended = usePassed(g.until)
  const hours = hoursOf(g)
  if (!g.until && !hours) return <>always</>
  return (
    <>
      {g.until && (
        <>
          {ended ? <Badge color="gray">ended</Badge> : 'until'} <At at={g.until} wraps />
        </>
      )}
      {hours && (
        <Text size="sm" className="wrap" inherit>
          {hours}
        </Text>
      )}
    </>
  )
}

const subject: Column<Grant> = {
  id: 'subject',
  header: 'Who',
  sort: 'subject',
  cell: ({ row }) => <Subject of={row.original.subject} />,
}
const object: Column<Grant> = {
  id: 'object',
  header: 'Reaches',
  sort: 'object',
  cell: ({ row }) => <Objects of={row.original.object} />,
}
const when: Column<Grant> = { id: 'when', header: 'When', sort: 'until', cell: ({ row }) => <When of={row.original} /> }
const id: Column<Grant> = { id: 'id', header: 'Grant', sort: 'id', cell: ({ row }) => <Id of={row.original.id} /> }
const actions: Column<Grant> = {
  id: 'actions',
  header: '',
  cell: ({ row }) => (
    <Group gap={4} wrap="nowrap">
      <Edit grant={row.original} />
      <Withdraw grant={row.original} />
    </Group>
  ),
}

function Edit({ grant: g }: { grant: Grant }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button size="compact-xs" variant="subtle" onClick={() => setOpen(true)} aria-label={`Edit grant ${g.id}`}>
        Edit
      </Button>
      {open && <EditGrant grant={g} close={() => setOpen(false)} />}
    </>
  )
}

/** The columns of a list of grants, and the buttons to change and to withdraw one for somebody who may. */
export const grantColumns = (mayChange: boolean): Column<Grant>[] => [
  subject,
  object,
  when,
  id,
  ...(mayChange ? [actions] : []),
]
