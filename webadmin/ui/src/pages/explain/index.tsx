import { Autocomplete, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { Link, useSearchParams } from 'react-router'
import { explanation } from '@/api/access'
import { members } from '@/api/members'
import type { Explanation } from '@/api/types'
import { faultsAt, faultsOf } from '@/api/words'
import { ReadFailure } from '@/ui/Failure'
import { Id } from '@/ui/Id'
import { Facts, Loading, PageHead, Section } from '@/ui/Page'
import { State } from '@/ui/Status'
import { At } from '@/ui/time'
import { caveatOf, sentenceOf } from '@/ui/decisions'

const suggested = 8

/** Asks whether a tunneler may reach a target; the question is in the address. */
export function Page() {
  const [params, setParams] = useSearchParams()
  const asked = { from: params.get('from') ?? '', to: params.get('to') ?? '' }
  const read = useQuery(explanation(asked.from, asked.to))
  return (
    <>
      <PageHead
        title="Explain"
        about="May a tunneler reach a host and port now? The answer is of the code by which connectors decide. It changes nothing."
      />
      <Stack gap="md" maw={760}>
        <section className="surface" aria-label="Question" style={{ padding: 16 }}>
          <Question
            asked={asked}
            error={read.error}
            ask={(from, to) => (from === asked.from && to === asked.to ? void read.refetch() : setParams({ from, to }))}
          />
        </section>
        {!faultsOf(read.error).size && <ReadFailure of={read} />}
        {read.isLoading && <Loading lines={4} />}
        {read.data && <Answer of={read.data} />}
      </Stack>
    </>
  )
}

type QuestionProps = {
  asked: { from: string; to: string }
  error: unknown
  ask: (from: string, to: string) => void
}

function Question({ asked, error, ask }: QuestionProps) {
  const [from, setFrom] = useState(asked.from)
  const [to, setTo] = useState(asked.to)
  // If the address was changed elsewhere, that is newer than what was typed.
  const [seen, setSeen] = useState(asked)
  if (seen.from !== asked.from || seen.to !== asked.to) {
    setSeen(asked)
    setFrom(asked.from)
    setTo(asked.to)
  }
  const [q] = useDebouncedValue(from.trim(), 200)
  const found = useQuery({
    ...members('tunneler', { q: q || undefined, page_size: suggested }),
    refetchInterval: false,
    placeholderData: keepPreviousData,
  })
  const faults = faultsAt(error, ['tunneler_id', 'target'])
  return (
    <form
      onSubmit={(e) => {
        e.preventDefault()
        ask(from.trim(), to.trim())
      }}
    >
      <Stack>
        <Autocomplete
          label="Tunneler"
          description="Its id"
          placeholder="tunneler-laptop-01"
          required
          data={found.data?.members.map((m) => m.id) ?? []}
          limit={suggested}
          openOnFocus={false}
          filter={({ options }) => options} // the API has searched
          value={from}
          onChange={setFrom}
          error={faults.of('tunneler_id')}
          spellCheck={false}
          autoComplete="off"
        />
        <TextInput
          label="Target"
          description="HOST:PORT; an IPv6 address stands in brackets"
          placeholder="db.corp:5432"
          required
          value={to}
          onChange={(e) => setTo(e.currentTarget.value)}
          error={faults.of('target')}
          spellCheck={false}
          autoComplete="off"
        />
        <Group>
          <Button type="submit">Explain</Button>
        </Group>
      </Stack>
    </form>
  )
}

function Answer({ of: e }: { of: Explanation }) {
  const caveat = caveatOf(e)
  return (
    <Section title="Answer">
      <Stack gap="sm">
        <div role="status">
          <State tone={e.allowed ? 'good' : 'bad'} hollow={!e.allowed} label={e.allowed ? 'Allowed' : 'Refused'} />
          <Text size="sm" mt={4}>
            {sentenceOf(e.code)} {caveat}
          </Text>
        </div>
        <Facts
          of={[
            ['Code', <span className="mono wrap">{e.code}</span>],
            e.grant_id && [
              e.allowed ? 'Grant that decides' : 'Nearest grant',
              <Link key="grant" to={`/grants?q=${encodeURIComponent(e.grant_id)}`}>
                <Id of={e.grant_id} />
              </Link>,
            ],
            e.resource_id && [
              'Resource',
              <Link key="resource" to={`/resources/${encodeURIComponent(e.resource_id)}`}>
                <Id of={e.resource_id} />
              </Link>,
            ],
            e.network_id && [
              'Network',
              <Link key="network" to={`/networks?q=${encodeURIComponent(e.network_id)}`}>
                <Id of={e.network_id} />
              </Link>,
            ],
            e.until && [e.allowed ? 'Until' : 'Decided again', <At key="until" at={e.until} wraps />],
          ]}
        />
      </Stack>
    </Section>
  )
}
