// The state of a list is in the address, so that it can be shared, reloaded and gone back
// to: the filters, the number of the page and the API's cursor of it. The API only leads
// forward, so the cursors of the pages before are kept beside the history entry.

/** The cursors of pages 2, 3 … up to the page that is shown. */
export type Trail = string[]

const places = ['page', 'after'] as const
// The record whose dialog is open.
const selection = ['record', 'at'] as const

/** The parameters with a filter changed; another filter begins at the first page. */
export function withFilter(params: URLSearchParams, name: string, value: string): URLSearchParams {
  const next = new URLSearchParams(params)
  if (value) next.set(name, value)
  else next.delete(name)
  for (const p of [...places, ...selection]) next.delete(p)
  return next
}

/** The cursor and the number of the page that the address names; without a cursor it is the first. */
export function placeOf(params: URLSearchParams): { after: string; page: number } {
  const after = params.get('after') ?? ''
  const page = Number(params.get('page'))
  if (!after) return { after: '', page: 1 }
  return { after, page: Number.isSafeInteger(page) && page > 1 ? page : 2 }
}

/** The parameters with another record open, or none. */
export function withSelection(params: URLSearchParams, record?: { record: string; at: string }): URLSearchParams {
  const next = new URLSearchParams(params)
  for (const s of selection) {
    if (record) next.set(s, record[s])
    else next.delete(s)
  }
  return next
}

/** The next page; the API gave its cursor. */
export function forward(params: URLSearchParams, trail: Trail, after: string): [URLSearchParams, Trail] {
  const here = placeOf(params)
  const next = withSelection(params)
  next.set('page', String(here.page + 1))
  next.set('after', after)
  return [next, [...known(params, trail), after]]
}

/** The previous page. A link to the middle of a list has no cursors of earlier pages, so it leads to the first page. */
export function backward(params: URLSearchParams, trail: Trail): [URLSearchParams, Trail] {
  const next = withSelection(params)
  const before = known(params, trail).slice(0, -1)
  const after = before.at(-1)
  if (after === undefined) {
    for (const p of places) next.delete(p)
    return [next, []]
  }
  next.set('page', String(placeOf(params).page - 1))
  next.set('after', after)
  return [next, before]
}

/** Whether "previous" leads to the page before, or, for lack of its cursor, to the first. */
export function knowsWayBack(params: URLSearchParams, trail: Trail): boolean {
  const { page } = placeOf(params)
  return page <= 2 || known(params, trail).length === page - 1
}

/** The trail, if it leads to the page that the address names. */
function known(params: URLSearchParams, trail: Trail): Trail {
  const { after } = placeOf(params)
  if (!after) return []
  return trail.at(-1) === after ? trail : [after]
}
