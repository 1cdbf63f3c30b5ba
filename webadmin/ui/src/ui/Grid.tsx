import { Skeleton, VisuallyHidden } from '@mantine/core'
import { IconArrowDown, IconArrowUp } from '@tabler/icons-react'
import { type Cell, type ColumnDef, type RowData, tableFeatures, useTable } from '@tanstack/react-table'
import type { ReactNode } from 'react'

const features = tableFeatures({})

export type Column<T extends RowData> = ColumnDef<typeof features, T> & {
  id: string
  header: string
  /** It is the heading of a card on a narrow screen; otherwise the first column is. */
  head?: boolean
  /** The server's sort key; absent if the server cannot sort by this column. */
  sort?: string
}

export type GridProps<T extends RowData> = {
  label: string
  columns: Column<T>[]
  rows?: T[]
  rowKey: (row: T) => string
  /** "name" or "-name", as the API takes it. */
  sort?: string
  onSort?: (sort: string) => void
  empty: ReactNode
  faded?: (row: T) => boolean
  skeletons?: number
}

/** A table whose rows, order and pages come from the server; cards on a narrow screen. */
export function Grid<T extends RowData>({
  label,
  columns,
  rows,
  rowKey,
  sort,
  onSort,
  empty,
  faded,
  skeletons = 8,
}: GridProps<T>) {
  const table = useTable({ features, columns, data: rows ?? none, getRowId: rowKey })
  const head = (columns.find((c) => c.head) ?? columns[0])?.id
  if (rows?.length === 0) return empty
  return (
    <div className="grid-scroll">
      <table className="grid" aria-label={label} aria-busy={!rows}>
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((h) => (
                <Head key={h.id} column={h.column.columnDef as Column<T>} sort={sort} onSort={onSort} />
              ))}
            </tr>
          ))}
        </thead>
        <tbody>
          {!rows &&
            Array.from({ length: skeletons }, (_, i) => (
              <tr key={i}>
                {columns.map((c) => (
                  <td key={c.id}>
                    <Skeleton height={13} width="70%" />
                  </td>
                ))}
              </tr>
            ))}
          {table.getRowModel().rows.map((row) => (
            <tr key={row.id} data-faded={faded?.(row.original) || undefined}>
              {row.getAllCells().map((cell) => (
                <td
                  key={cell.id}
                  data-label={(cell.column.columnDef as Column<T>).header}
                  data-head={cell.column.id === head || undefined}
                >
                  {contentOf(cell)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

const none: never[] = []

// FlexRender treats a function as a component. Pages create these functions at each render,
// so React would mount all rows again and they would lose the focus.
function contentOf<T extends RowData>(cell: Cell<typeof features, T>): ReactNode {
  const content = cell.column.columnDef.cell
  return typeof content === 'function' ? (content(cell.getContext()) as ReactNode) : content
}

type HeadProps<T extends RowData> = { column: Column<T>; sort?: string; onSort?: (sort: string) => void }

function Head<T extends RowData>({ column, sort, onSort }: HeadProps<T>) {
  const key = column.sort
  if (!key || !onSort) {
    return <th scope="col">{column.header || <VisuallyHidden>Actions</VisuallyHidden>}</th>
  }
  const up = sort === key
  const down = sort === `-${key}`
  return (
    <th scope="col" aria-sort={up ? 'ascending' : down ? 'descending' : 'none'}>
      <button type="button" className="sort" onClick={() => onSort(up ? `-${key}` : key)}>
        {column.header}
        {up && <IconArrowUp size={12} aria-hidden="true" />}
        {down && <IconArrowDown size={12} aria-hidden="true" />}
      </button>
    </th>
  )
}
