import type { RowData } from '@tanstack/react-table'
import { isPassing } from '@/api/client'
import { Grid, type GridProps } from './Grid'
import { type List, ListFailure, Pager } from './list'

type ListViewProps<T extends RowData> = Omit<GridProps<T>, 'sort' | 'onSort'> & {
  list: List
  /** The query of the page that is shown. */
  page: {
    data?: { next_page_token: string; total?: number }
    error: unknown
    isPlaceholderData: boolean
    refetch: () => unknown
  }
}

/** One page of a list: its rows or why there are none (rows that are here stay while no answer comes), and the way to the other pages. */
export function ListView<T extends RowData>({ list, page, rows, ...grid }: ListViewProps<T>) {
  return (
    <>
      {!!page.error && <ListFailure list={list} page={page} />}
      {(!page.error || (page.data && isPassing(page.error))) && (
        <Grid {...grid} rows={rows} sort={list.sort} onSort={(s) => list.set('sort', s)} />
      )}
      <Pager
        list={list}
        shown={rows?.length ?? 0}
        total={page.data?.total}
        next={page.data?.next_page_token}
        loading={page.isPlaceholderData}
      />
    </>
  )
}
