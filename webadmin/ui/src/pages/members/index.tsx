import { Button } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { Link } from 'react-router'
import { members } from '@/api/members'
import type { Kind } from '@/api/types'
import { useCan } from '@/app/session'
import { Filter, Search, Toolbar, Typed, useList } from '@/ui/list'
import { ListView } from '@/ui/ListView'
import { Empty, PageHead } from '@/ui/Page'
import { memberStates } from '@/ui/states'
import { BulkRevoke } from './BulkRevoke'
import { columnsOf } from './columns'
import { wordsOf } from './words'

/** The list of connectors, or of tunnelers. */
export function Page({ kind }: { kind: Kind }) {
  const list = useList({ sort: 'id' })
  const page = useQuery(members(kind, list.query))
  const columns = useMemo(() => columnsOf(kind), [kind])
  const mayCreate = useCan('tokens:write')
  const words = wordsOf[kind]
  const create = mayCreate && (
    <Button component={Link} to={`/${kind}s/new`} leftSection={<IconPlus size={16} />}>
      Add {kind}
    </Button>
  )
  return (
    <>
      <PageHead title={words.title} about={words.about} actions={create} />
      <div className="surface">
        <Toolbar>
          <Search list={list} label={`Search ${kind}s`} />
          <Typed list={list} label="Label, such as env=prod" name="label" wide />
          <Filter list={list} label={`Status of ${kind}s`} options={memberStates} />
          {list.query.label && !!page.data?.members.length && <BulkRevoke kind={kind} label={list.query.label} />}
        </Toolbar>
        <ListView
          list={list}
          page={page}
          label={words.title}
          columns={columns}
          rows={page.data?.members}
          rowKey={(m) => m.id + m.enrolled_at}
          faded={(m) => !!m.revoked_at}
          empty={
            list.filtered ? (
              <Empty icon={words.icon} title={`No ${kind} matches`}>
                Change the search or remove the filters.
              </Empty>
            ) : (
              <Empty icon={words.icon} title={`No ${kind} yet`} action={create}>
                {mayCreate
                  ? words.none
                  : `An operator creates an enrollment token, and a host becomes a ${kind} with it.`}
              </Empty>
            )
          }
        />
      </div>
    </>
  )
}
