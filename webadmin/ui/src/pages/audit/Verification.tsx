import { Button, Group, Loader, Stack, Text } from '@mantine/core'
import { IconShieldCheck, IconShieldQuestion, IconShieldX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { verification } from '@/api/queries'
import type { AuditVerification } from '@/api/types'
import { Mono } from '@/ui/Copy'
import { Dialog } from '@/ui/Dialog'
import { ReadFailure } from '@/ui/Failure'
import { type Column, Grid } from '@/ui/Grid'
import { Id } from '@/ui/Id'
import { Facts, Loading } from '@/ui/Page'
import { State } from '@/ui/Status'
import { Ago, fullTime } from '@/ui/time'
import { verified } from './verified'

/** Whether the log is unchanged, and which connectors witnessed that. */
export function Verification() {
  const read = useQuery(verification)
  const { data: v, error } = read
  const [open, setOpen] = useState(false)
  return (
    <section className="surface" aria-label="Verification" style={{ padding: '12px 16px', marginBottom: 16 }}>
      <ReadFailure of={read} />
      {!v && !error && <Loading lines={1} />}
      {v && (
        <Group gap="md" align="flex-start">
          <Face state={v.state} />
          <div style={{ flex: 1, minWidth: 220 }}>
            <Text size="sm" fw={560}>
              {headline(v)}
            </Text>
            <Text size="sm" c="dimmed">
              <Summary of={v} />
            </Text>
          </div>
          {v.running && <Loader size="xs" aria-label="Checking now" />}
          <Button size="xs" variant="default" onClick={() => setOpen(true)}>
            Checkpoint and witnesses
          </Button>
        </Group>
      )}
      {open && v && (
        <Dialog title="Checkpoint and witnesses" close={() => setOpen(false)} size="lg">
          <Details of={v} />
        </Dialog>
      )}
    </section>
  )
}

function Face({ state }: { state: AuditVerification['state'] }) {
  if (state === 'ok') return <IconShieldCheck size={22} color="var(--good)" aria-hidden="true" />
  if (state === 'bad') return <IconShieldX size={22} color="var(--bad)" aria-hidden="true" />
  return <IconShieldQuestion size={22} color="var(--warn)" aria-hidden="true" />
}

function headline(v: AuditVerification): string {
  switch (v.state) {
    case 'ok':
      return verified(v)
    case 'bad':
      return v.problem ? `Tampered with: ${v.problem.kind} at record ${v.problem.index}` : 'Tampered with'
    case 'failed':
      return 'The last check failed'
    default:
      return 'Not checked yet'
  }
}

function Summary({ of: v }: { of: AuditVerification }) {
  const failing = v.witnesses.filter((w) => w.failure).length
  return (
    <>
      {v.problem && `${v.problem.detail}. `}
      {v.checked_at && (
        <>
          Checked <Ago at={v.checked_at} />.{' '}
        </>
      )}
      {v.witnesses.length === 0
        ? 'No connector has witnessed the log yet.'
        : `Witnessed by ${v.witnesses.length.toLocaleString()} ${v.witnesses.length === 1 ? 'connector' : 'connectors'}.`}
      {failing > 0 && (
        <Text span size="sm" c="var(--bad)">
          {' '}
          {failing.toLocaleString()} refused the newest checkpoint.
        </Text>
      )}
    </>
  )
}

type Witness = AuditVerification['witnesses'][number]

const columns: Column<Witness>[] = [
  {
    id: 'connector',
    header: 'Connector',
    cell: ({ row }) => <Id of={row.original.connector_id} />,
  },
  { id: 'size', header: 'Records', cell: ({ row }) => row.original.size.toLocaleString() },
  { id: 'at', header: 'Seen', cell: ({ row }) => <Ago at={row.original.at} /> },
  {
    id: 'says',
    header: 'Result',
    cell: ({ row: { original: w } }) =>
      w.failure ? <State tone="bad" label={w.failure} /> : <State tone="good" label="consistent" />,
  },
]

const most = 50

function Details({ of: v }: { of: AuditVerification }) {
  const witnesses = [...v.witnesses].sort((a, b) => Number(!!b.failure) - Number(!!a.failure))
  return (
    <Stack>
      <Facts
        of={[
          ['Records', v.checkpoint.size.toLocaleString()],
          v.checkpoint.time && ['Signed', fullTime(v.checkpoint.time)],
          ['Verifier key', <Mono key="key" value={v.checkpoint.verifier_key} label="verifier key" />],
        ]}
      />
      {v.checkpoint.note && <pre className="command">{v.checkpoint.note}</pre>}
      <Grid
        label="Witnesses"
        columns={columns}
        rows={witnesses.slice(0, most)}
        rowKey={(w) => w.connector_id}
        empty={
          <Text size="sm" c="dimmed">
            No connector has witnessed the log yet. Every connector that is connected does, once the log has a
            checkpoint.
          </Text>
        }
      />
      {witnesses.length > most && (
        <Text size="sm" c="dimmed">
          and {(witnesses.length - most).toLocaleString()} more
        </Text>
      )}
    </Stack>
  )
}
