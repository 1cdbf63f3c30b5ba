import { Button } from '@mantine/core'
import { IconPlus } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { Link } from 'react-router'
import { members } from '@/api/members'
import type { Kind } from '@/api/types'
import { useCan } from '@/app/session'
import { Grid } from '@/ui/Grid'
import { Filter, ListFailure, Pager, Search, Toolbar, useList } from '@/ui/list'
import { Empty, PageHead } from '@/ui/Page'
import { memberStates } from '@/ui/states'
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
          <Filter list={list} label={`Status of ${kind}s`} options={memberStates} />
        </Toolbar>
        {page.error ? (
          <ListFailure list={list} error={page.error} retry={() => page.refetch()} />
        ) : (
          <Grid
            label={words.title}
            columns={columns}
            rows={page.data?.members}
            rowKey={(m) => m.id + m.enrolled_at}
            sort={list.sort}
            onSort={(s) => list.set('sort', s)}
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
        )}
        <Pager
          list={list}
          shown={page.data?.members.length ?? 0}
          total={page.data?.total}
          next={page.data?.next_page_token}
        />
      </div>
    </>
  )
}
