import { Alert, Stack, Text } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import type { Kind, Member, Sighting } from '@/api/types'
import { Ago, fullTime } from '@/ui/time'

/** What an operator has to look into. */
export function Warnings({ kind, member: m }: { kind: Kind; member: Member }) {
  const refusal = 'refusal' in m ? m.refusal : undefined
  return (
    <Stack gap="sm" mb={m.contested || m.cloned || m.revoked_at || refusal ? 'md' : 0}>
      {m.revoked_at && (
        <Alert color="gray" title={`Revoked ${fullTime(m.revoked_at)}`}>
          Its registration entry was deleted and its sessions were closed. To use this id again, enroll a host with it.
        </Alert>
      )}
      {refusal && (
        <Alert color="red" icon={<IconAlertTriangle size={18} />} title="Refuses this controller" role="alert">
          <Text size="sm" c="var(--mantine-color-text)">
            It refuses the policy of this controller: <span className="mono wrap">{refusal}</span>. Revocations still
            apply. If this controller was restored from a backup or installed anew, run{' '}
            <span className="mono">grpcconnector witness reset --yes</span> on its host as root. If it was not, somebody
            may have changed its database: investigate that first.
          </Text>
        </Alert>
      )}
      {m.contested && (
        <Alert color="red" icon={<IconAlertTriangle size={18} />} title="Contested" role="alert">
          <Text size="sm" c="var(--mantine-color-text)">
            A second key tried the enrollment token of this host. Somebody ran the command on two hosts, or somebody
            else saw the token. If you are not sure that the right host was enrolled, revoke this {kind} and enroll it
            again.
          </Text>
        </Alert>
      )}
      {m.cloned && (
        <Alert color="red" icon={<IconAlertTriangle size={18} />} title="Cloned" role="alert">
          <Text size="sm" c="var(--mantine-color-text)">
            {m.clone?.signal === 'agent'
              ? "Another SPIRE agent attests with this host's key."
              : 'Two machines use the key of this host.'}{' '}
            A copy of its disk or key is in use: revoke the {kind} and enroll the right host again.
          </Text>
          {m.clone && <Sightings of={m.clone.sightings} />}
        </Alert>
      )}
    </Stack>
  )
}

/** Where and when each of the two copies was seen. */
function Sightings({ of }: { of: Sighting[] }) {
  return (
    <Stack gap={2} mt={6}>
      {of.map((s) => (
        <Text key={s.instance_id + s.at} size="sm" c="var(--mantine-color-text)">
          <Ago at={s.at} /> from <span className="mono">{s.address}</span>, boot{' '}
          <span className="mono wrap">{s.boot_id || 'unknown'}</span>
        </Text>
      ))}
    </Stack>
  )
}
