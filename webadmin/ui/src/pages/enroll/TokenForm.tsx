import { Button, Checkbox, Group, Radio, Select, Stack, Textarea, TextInput } from '@mantine/core'
import { useState } from 'react'
import { isProblem } from '@/api/client'
import { useCreateToken } from '@/api/changes'
import type { CreatedToken, Delivery, Kind } from '@/api/types'
import { faultsAt } from '@/api/words'
import { Failure } from '@/ui/Failure'

const deliveries: { value: Delivery; label: string; about: string }[] = [
  {
    value: 'plain',
    label: 'Show it here',
    about: 'You paste the command on the host yourself. The token is shown once.',
  },
  {
    value: 'sealed',
    label: 'Seal it to the host',
    about: "It is encrypted to the host's SSH or age public key. Only that host can open it.",
  },
  {
    value: 'claim',
    label: 'Claim link',
    about: 'Somebody else opens it once. You see when and from which address it was opened.',
  },
]

const ttls = [
  { value: '10m', label: '10 minutes' },
  { value: '30m', label: '30 minutes' },
  { value: '1h', label: '1 hour' },
  { value: '8h', label: '8 hours' },
  { value: '24h', label: '24 hours' },
]

const fields = ['id', 'ttl', 'source_cidr', 'recipient', 'replace']

type FormProps = { kind: Kind; done: (created: CreatedToken) => void }

export function TokenForm({ kind, done }: FormProps) {
  const [id, setID] = useState('')
  const [ttl, setTTL] = useState('10m')
  const [cidr, setCIDR] = useState('')
  const [replace, setReplace] = useState(false)
  const [delivery, setDelivery] = useState<Delivery>('plain')
  const [recipient, setRecipient] = useState('')
  const create = useCreateToken()
  const live = isProblem(create.error, 'live-member')
  const faults = faultsAt(live ? null : create.error, fields)

  const submit = () =>
    create.mutate(
      {
        kind,
        id: id.trim(),
        ttl,
        replace: replace || undefined,
        source_cidr: cidr.trim() || undefined,
        delivery: delivery === 'plain' ? undefined : delivery,
        recipient: delivery === 'sealed' ? recipient.trim() : undefined,
      },
      { onSuccess: done },
    )

  return (
    <form
      onSubmit={(e) => {
        e.preventDefault()
        submit()
      }}
    >
      <Stack maw={560}>
        <TextInput
          label={`Id of the ${kind}`}
          description="1 to 63 characters: lower-case letters, digits and dashes; a letter or digit first. It is part of its SPIFFE ID and cannot be changed."
          placeholder={kind === 'connector' ? 'connector-fra-01' : 'tunneler-alice'}
          required
          autoFocus
          autoComplete="off"
          spellCheck={false}
          value={id}
          onChange={(e) => setID(e.currentTarget.value)}
          error={faults.of('id')}
        />
        <Select
          label="The token is valid for"
          description="1 minute to 24 hours; the host has to use it in that time"
          data={ttls}
          value={ttl}
          onChange={(v) => setTTL(v ?? '10m')}
          allowDeselect={false}
          error={faults.of('ttl')}
        />
        <TextInput
          label="Only from these addresses"
          description="A network such as 10.20.0.0/16. Leave it empty to allow any address."
          placeholder="10.20.0.0/16"
          value={cidr}
          onChange={(e) => setCIDR(e.currentTarget.value)}
          error={faults.of('source_cidr')}
        />
        <Radio.Group label="How does it get to the host?" value={delivery} onChange={(v) => setDelivery(v as Delivery)}>
          <Stack gap="xs" mt={6}>
            {deliveries.map((d) => (
              <Radio key={d.value} value={d.value} label={d.label} description={d.about} />
            ))}
          </Stack>
        </Radio.Group>
        {delivery === 'sealed' && (
          <Textarea
            label="Public key of the host"
            description="A line of ssh-ed25519 or ssh-rsa (on the host: /etc/ssh/ssh_host_ed25519_key.pub) or an age1… key"
            placeholder="ssh-ed25519 AAAA…"
            required
            autosize
            minRows={2}
            spellCheck={false}
            value={recipient}
            onChange={(e) => setRecipient(e.currentTarget.value)}
            error={faults.of('recipient')}
          />
        )}
        <Checkbox
          label="Replace the host that has this id now"
          description="Redeeming the token revokes the old host."
          checked={replace}
          onChange={(e) => setReplace(e.currentTarget.checked)}
          error={faults.of('replace') ?? (live ? 'An enrolled host has this id. Tick this to replace it.' : undefined)}
        />
        {faults.rest && <Failure error={faults.rest} />}
        <Group>
          <Button type="submit" loading={create.isPending}>
            Create token
          </Button>
        </Group>
      </Stack>
    </form>
  )
}
