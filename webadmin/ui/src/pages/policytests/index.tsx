import { Button, Text } from '@mantine/core'
import { IconPlus, IconShieldCheck } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useMemo, useState } from 'react'
import { Link } from 'react-router'
import { policyTests, type PolicyTestQuery } from '@/api/access'
import type { PolicyTest } from '@/api/types'
import { useCan } from '@/app/session'
import { pathOf, referenceOf } from '@/pages/grants/reference'
import { sentenceOf } from '@/ui/decisions'
import type { Column } from '@/ui/Grid'
import { Id } from '@/ui/Id'
import { Search, Toolbar, Typed, useList } from '@/ui/list'
import { ListView } from '@/ui/ListView'
import { Empty, PageHead } from '@/ui/Page'
import { mustOf } from '@/ui/policytests'
import { State } from '@/ui/Status'
import { DeletePolicyTest } from './Delete'
import { CreatePolicyTest } from './Form'

function Subject({ of }: { of: string }) {
  const ref = referenceOf(of)
  return (
    <>
      {ref.kind === 'label' && 'a tunneler with only '}
      <Link to={pathOf(ref, '/tunnelers')}>
        <Id of={ref.value} />
      </Link>
    </>
  )
}

/** Whether it holds, and what decides. */
function Result({ of: { holds, decision: d } }: { of: PolicyTest }) {
  return (
    <>
      <State tone={holds ? 'good' : 'bad'} hollow={!holds} label={holds ? 'holds' : 'does not hold'} />
      <Text size="xs" c="dimmed" component="div" className="wrap">
        {d.allowed && d.grant_id ? (
          <>
            Reached by the grant{' '}
            <Link to={`/grants?q=${encodeURIComponent(d.grant_id)}`}>
              <Id of={d.grant_id} />
            </Link>
            .
          </>
        ) : (
          `Refused. ${sentenceOf(d.code)}`
        )}
        {!holds && ' No change is refused for this test until it holds again.'}
      </Text>
    </>
  )
}

const columns: Column<PolicyTest>[] = [
  {
    id: 'id',
    header: 'Policy test',
    sort: 'id',
    cell: ({ row: { original: t } }) => (
      <>
        <Id of={t.id} />
        {t.note && (
          <Text size="xs" c="dimmed" className="wrap">
            {t.note}
          </Text>
        )}
      </>
    ),
  },
  { id: 'subject', header: 'Who', sort: 'subject', cell: ({ row }) => <Subject of={row.original.subject} /> },
  { id: 'expect', header: 'Expected', cell: ({ row }) => <span className="whole">{mustOf(row.original)}</span> },
  {
    id: 'target',
    header: 'Target',
    sort: 'target',
    cell: ({ row: { original: t } }) => (
      <>
        <span className="mono target">{t.target}</span>
        {t.network_id && (
          <Text size="xs" c="dimmed" component="div" className="wrap">
            in{' '}
            <Link to={`/networks?q=${encodeURIComponent(t.network_id)}`}>
              <Id of={t.network_id} />
            </Link>
          </Text>
        )}
      </>
    ),
  },
  { id: 'result', header: 'Now', cell: ({ row }) => <Result of={row.original} /> },
]

const withDelete: Column<PolicyTest>[] = [
  ...columns,
  { id: 'actions', header: '', cell: ({ row }) => <DeletePolicyTest test={row.original} /> },
]

/** What the rules must decide, whatever else is changed. */
export function Page() {
  const list = useList({ sort: 'id' })
  const subject = list.get('subject').trim()
  const { page_size, page_token, sort, q } = list.query
  const query = { page_size, page_token, sort, q, subject: subject || undefined }
  const page = useQuery(policyTests(query as PolicyTestQuery))
  const may = useCan('fleet:write')
  const shown = useMemo(() => (may ? withDelete : columns), [may])
  const [creating, setCreating] = useState(false)
  const filtered = !!(list.filtered || subject)
  const create = may && (
    <Button leftSection={<IconPlus size={16} />} onClick={() => setCreating(true)}>
      Create policy test
    </Button>
  )
  return (
    <>
      <PageHead
        title="Policy tests"
        about="Each says what must be decided. A change of resources, grants, networks or labels that would break one is refused."
        actions={create}
      />
      <div className="surface">
        <Toolbar>
          <Search list={list} label="Search policy tests" />
          <Typed list={list} label="Who, such as label/team=dev" name="subject" wide />
        </Toolbar>
        <ListView
          list={list}
          page={page}
          label="Policy tests"
          columns={shown}
          rows={page.data?.policy_tests}
          rowKey={(t) => t.id}
          empty={
            <Empty
              icon={IconShieldCheck}
              title={filtered ? 'No policy test matches' : 'No policy test yet'}
              action={!filtered && create}
            >
              {filtered
                ? 'Change the search or remove the filter.'
                : 'A policy test keeps a later change from granting too much or too little, such as: team=dev must not reach vault.corp:8200.'}
            </Empty>
          }
        />
      </div>
      {creating && <CreatePolicyTest close={() => setCreating(false)} />}
    </>
  )
}
