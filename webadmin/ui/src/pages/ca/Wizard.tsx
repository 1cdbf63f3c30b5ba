import { Alert, Button, Checkbox, Group, List, Radio, Stack, Text, TextInput } from '@mantine/core'
import { useState } from 'react'
import { useRotate } from '@/api/changes'
import type { RotationPreview, RotationRequest } from '@/api/types'
import { faultsAt } from '@/api/words'
import { Dialog } from '@/ui/Dialog'
import { Failure } from '@/ui/Failure'
import { say } from '@/ui/say'
import { GateView } from './Gate'

/** The request. An emergency waits for no member, so it has no other options. */
function asked(o: RotationRequest): RotationRequest {
  return o.emergency
    ? { emergency: true, confirm: 'emergency' }
    : { ...o, deadline: o.deadline || undefined, confirm: 'rotate' }
}

/** First the options, then a preview, and only then the start. */
export function Wizard({ close }: { close: () => void }) {
  const [options, setOptions] = useState<RotationRequest>({ on_deadline: 'drop', offline: 'proceed' })
  const [preview, setPreview] = useState<RotationPreview | null>(null)
  return (
    <Dialog title={preview ? 'Rotate: what will happen' : 'Rotate: options'} close={close} size="lg">
      {preview ? (
        <Start options={options} preview={preview} back={() => setPreview(null)} close={close} />
      ) : (
        <Options options={options} change={setOptions} next={setPreview} close={close} />
      )}
    </Dialog>
  )
}

type OptionsProps = {
  options: RotationRequest
  change: (o: RotationRequest) => void
  next: (p: RotationPreview) => void
  close: () => void
}

function Options({ options: o, change, next, close }: OptionsProps) {
  const dryRun = useRotate()
  const faults = faultsAt(dryRun.error, ['deadline'])
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault()
        dryRun.mutate({ ...asked(o), dry_run: true }, { onSuccess: (p) => p && 'dry_run' in p && next(p) })
      }}
    >
      <Stack>
        <TextInput
          label="Longest wait of each step"
          description="A duration such as 10m or 2h. Leave it empty to wait until all online members are ready."
          placeholder="no limit"
          value={o.deadline ?? ''}
          onChange={(e) => change({ ...o, deadline: e.currentTarget.value.trim() })}
          disabled={o.emergency}
          error={faults.of('deadline')}
        />
        <Radio.Group
          label="If a member is not ready by then"
          value={o.on_deadline}
          onChange={(v) => change({ ...o, on_deadline: v })}
        >
          <Stack gap={6} mt={6}>
            <Radio
              value="drop"
              label="Continue without it: it reconnects when it has the new authority"
              disabled={!o.deadline || o.emergency}
            />
            <Radio value="abort" label="Abort the rotation" disabled={!o.deadline || o.emergency} />
          </Stack>
        </Radio.Group>
        <Radio.Group
          label="Members that are offline now"
          value={o.offline}
          onChange={(v) => change({ ...o, offline: v })}
        >
          <Stack gap={6} mt={6}>
            <Radio
              value="proceed"
              label="Do not wait: they fetch the new authority when they come back"
              disabled={o.emergency}
            />
            <Radio value="wait" label="Wait for them too" disabled={o.emergency} />
          </Stack>
        </Radio.Group>
        <Checkbox
          label="Emergency: the authority's key was stolen"
          description="The rotation waits only a few seconds for agents to get the new bundle; members that are late are disconnected and reconnect. All authorities of the server are replaced, including a prepared one."
          checked={!!o.emergency}
          onChange={(e) => change({ ...o, emergency: e.currentTarget.checked || undefined })}
        />
        {faults.rest && <Failure error={faults.rest} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={dryRun.isPending}>
            Preview
          </Button>
        </Group>
      </Stack>
    </form>
  )
}

type StartProps = { options: RotationRequest; preview: RotationPreview; back: () => void; close: () => void }

function Start({ options, preview: p, back, close }: StartProps) {
  const rotate = useRotate()
  const start = () =>
    rotate.mutate(asked(options), {
      onSuccess: () => {
        say.done('The rotation has started.')
        close()
      },
    })
  return (
    <Stack>
      {options.emergency && (
        <Alert color="red" title="Emergency">
          <Text size="sm" c="var(--mantine-color-text)">
            Streams may be closed: the rotation waits only a few seconds for agents to get the new bundle.
          </Text>
        </Alert>
      )}
      <Text size="sm">
        Replaces <span className="mono wrap">{p.replaces.join(', ')}</span>
        {p.reuses && (
          <>
            {' '}
            with <span className="mono wrap">{p.reuses}</span>, which SPIRE has prepared already
          </>
        )}
        .
      </Text>
      <List type="ordered" size="sm" spacing={4}>
        {p.steps.map((s) => (
          <List.Item key={s}>{s}</List.Item>
        ))}
      </List>
      <GateView gate={p.gate} label="Ready for the first step now" />
      {rotate.error && <Failure error={rotate.error} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={back}>
          Back
        </Button>
        <Button onClick={start} loading={rotate.isPending} color={options.emergency ? 'red.9' : undefined}>
          Start rotation
        </Button>
      </Group>
    </Stack>
  )
}
