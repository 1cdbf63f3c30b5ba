import { Badge, Button, Group, Stack, Text } from '@mantine/core'
import { IconRefresh } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useAbortBootstrap, useReplaceBootstrap } from '@/api/changes'
import { bootstrap, enrollment } from '@/api/queries'
import type { BootstrapCA, BootstrapPreview, BootstrapReplacement } from '@/api/types'
import { useCan } from '@/app/session'
import { Actor } from '@/ui/Actor'
import { Confirm, Consequences } from '@/ui/Confirm'
import { Command, Mono } from '@/ui/Copy'
import { Failure, ReadFailure } from '@/ui/Failure'
import { Facts, Section } from '@/ui/Page'
import { say } from '@/ui/say'
import { Ago, Countdown } from '@/ui/time'
import { GateView } from './Gate'

const year = 365 * 86400

/** The bootstrap CA, by which hosts verify this controller. */
export function Bootstrap() {
  const known = useQuery(enrollment)
  const { data } = known
  const anchors = useQuery({
    ...bootstrap,
    // There is no event for each host that follows.
    refetchInterval: (q) => (q.state.data?.replacement?.status === 'running' ? 1500 : false),
  })
  return (
    <Section
      title="Bootstrap CA"
      aside={
        <a href="/ca.crt" download="ca.crt">
          Download ca.crt
        </a>
      }
    >
      <Text size="sm" c="dimmed" mb="sm">
        Hosts verify this controller with it when they enroll. It is not secret, but a host must have the right one:
        compare the fingerprint.
      </Text>
      <ReadFailure of={[known, anchors]} />
      <Stack gap="sm">
        {data && (
          <>
            <Facts
              of={[
                ['SHA-256', <Mono key="sha" value={data.ca_fingerprint} label="fingerprint" />],
                [
                  'Hosts enroll at',
                  data.address ? <span className="mono">{data.address}</span> : 'unknown: set public_address',
                ],
              ]}
            />
            {data.fetch_command && (
              <>
                <Text size="sm">To fetch it on a host and print its fingerprint, run there:</Text>
                <Command value={data.fetch_command} label="command" />
              </>
            )}
          </>
        )}
        {anchors.data && <Replacement ca={anchors.data} />}
      </Stack>
    </Section>
  )
}

function Replacement({ ca }: { ca: BootstrapCA }) {
  const signer = ca.anchors.find((a) => a.signs)
  const r = ca.replacement
  const running = r?.status === 'running'
  return (
    <>
      {signer && <Facts of={[['Expires in', <Countdown key="end" to={signer.not_after} warn={year} />]]} />}
      {r && <Progress replacement={r} running={running} />}
      <Control replacement={r} running={running} />
    </>
  )
}

function Progress({ replacement: r, running }: { replacement: BootstrapReplacement; running: boolean }) {
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <Text size="sm" fw={560}>
          {running ? `Replacement in progress: ${r.phase}` : 'Last replacement'}
        </Text>
        <Badge color={running ? 'petrol' : r.status === 'done' ? 'green' : 'red'}>{r.status}</Badge>
      </Group>
      {running && r.gate && <GateView gate={r.gate} label={`Hosts ready for the next step after "${r.phase}"`} />}
      <Facts
        of={[
          ['Started', <Ago key="at" at={r.started_at} />],
          ['Started by', <Actor key="by" of={r.started_by} />],
          r.ended_at && ['Ended', <Ago key="end" at={r.ended_at} />],
          r.offline && ['Offline, not waited for', r.offline.toLocaleString()],
          r.skipped.length && ['Continued without', r.skipped.join(', ')],
        ]}
      />
    </Stack>
  )
}

function Control({ replacement: r, running }: { replacement?: BootstrapReplacement; running: boolean }) {
  const [preview, setPreview] = useState<BootstrapPreview | null>(null)
  const [aborting, setAborting] = useState(false)
  const dryRun = useReplaceBootstrap()
  const replace = useReplaceBootstrap()
  const abort = useAbortBootstrap()
  if (!useCan('ca:rotate')) return null
  const abortable = running && (r?.phase === 'preparing' || r?.phase === 'prepared')
  return (
    <>
      {dryRun.error && <Failure error={dryRun.error} />}
      <Group>
        {!running && (
          <Button
            variant="default"
            leftSection={<IconRefresh size={16} />}
            loading={dryRun.isPending}
            onClick={() => dryRun.mutate({ dry_run: true }, { onSuccess: (p) => p && 'dry_run' in p && setPreview(p) })}
          >
            Replace…
          </Button>
        )}
        {abortable && (
          <Button variant="default" onClick={() => setAborting(true)}>
            Abort replacement…
          </Button>
        )}
      </Group>
      {preview && (
        <Confirm
          title="Replace the bootstrap CA"
          action="Start replacement"
          pending={replace.isPending}
          error={replace.error}
          close={() => setPreview(null)}
          confirm={() =>
            replace.mutate(
              {},
              {
                onSuccess: () => {
                  setPreview(null)
                  say.done('The replacement has started.')
                },
              },
            )
          }
        >
          <Consequences of={preview.steps} />
          <GateView gate={preview.gate} label="Hosts that can follow now" />
          <Text size="sm">
            Every host renews its certificate and restarts its SPIRE agent once; no session ends. Once the new CA signs,
            the old one cannot be restored. Afterwards hand out the new ca.crt.
          </Text>
        </Confirm>
      )}
      {aborting && (
        <Confirm
          title="Abort the replacement"
          action="Abort replacement"
          pending={abort.isPending}
          error={abort.error}
          close={() => setAborting(false)}
          confirm={() => abort.mutate(undefined, { onSuccess: () => setAborting(false) })}
        >
          <Consequences of={['the bootstrap CA stays the one that signs now;', 'the second one is deleted.']} />
        </Confirm>
      )}
    </>
  )
}
