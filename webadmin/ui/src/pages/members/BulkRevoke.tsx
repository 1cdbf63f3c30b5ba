import { Button, Stack, Text } from '@mantine/core'
import { IconBan } from '@tabler/icons-react'
import { useState } from 'react'
import { useRevokeLabelled } from '@/api/fleet'
import type { BulkRevoked, Kind } from '@/api/types'
import { useCan } from '@/app/session'
import { Confirm, Consequences } from '@/ui/Confirm'
import { say } from '@/ui/say'

type BulkProps = { kind: Kind; label: string }

/** The button that revokes all members with the label that the list is filtered by. */
export function BulkRevoke({ kind, label }: BulkProps) {
  const [preview, setPreview] = useState<BulkRevoked | null>(null)
  const dryRun = useRevokeLabelled()
  if (!useCan('members:revoke')) return null
  return (
    <>
      <Button
        color="red"
        variant="light"
        size="xs"
        leftSection={<IconBan size={15} />}
        loading={dryRun.isPending}
        onClick={() => dryRun.mutate({ label, kind, dry_run: true }, { onSuccess: setPreview, onError: say.failure })}
      >
        Revoke all with this label…
      </Button>
      {preview && <Ask kind={kind} label={label} preview={preview} close={() => setPreview(null)} />}
    </>
  )
}

const named = 12

function Ask({ kind, label, preview, close }: BulkProps & { preview: BulkRevoked; close: () => void }) {
  const revoke = useRevokeLabelled()
  const ending = preview.members
  const n = ending.length
  return (
    <Confirm
      title={
        n
          ? `Revoke ${n.toLocaleString()} ${kind}${n === 1 ? '' : 's'} with ${label}`
          : `Nothing to revoke with ${label}`
      }
      action={`Revoke ${n.toLocaleString()}`}
      type={n ? label : undefined}
      barred={!n}
      pending={revoke.isPending}
      error={revoke.error}
      says={{
        selection:
          'Others have this label now than this dialog shows, or another host has taken the place of one of them. Nothing was revoked. Close this dialog and look again.',
      }}
      close={close}
      confirm={() =>
        revoke.mutate(
          { label, kind, selection: preview.selection, confirm: 'revoke' },
          {
            onSuccess: (r) => {
              say.done(`Revoked ${r.revoked.toLocaleString()} ${kind}${r.revoked === 1 ? '' : 's'}.`)
              close()
            },
          },
        )
      }
    >
      {n > 0 && (
        <Stack gap={4}>
          <Text size="sm" className="wrap mono">
            {ending
              .slice(0, named)
              .map((m) => m.id)
              .join(', ')}
          </Text>
          {n > named && (
            <Text size="sm" c="dimmed">
              and {(n - named).toLocaleString()} more
            </Text>
          )}
        </Stack>
      )}
      {n > 0 && (
        <Consequences
          of={[
            'All of them are revoked together, or none.',
            'Their streams and sessions are closed, and they are no longer admitted. All connectors and tunnelers that are connected receive the revocation, usually within a second.',
            'Hosts without another role are revoked too, and their SPIRE agents are banned.',
            <>
              It cannot be undone: each host needs a new token and <code className="whole">enroll --new-host</code>.
            </>,
          ]}
        />
      )}
    </Confirm>
  )
}
