// How a world answers: typed by the API's schema, so that a reply that the controller
// would not give does not compile.
import type { paths } from '../src/api/schema'
import { hex, type S, type World } from './world'

type Method = 'get' | 'post' | 'patch' | 'put' | 'delete'
type Good<R> = {
  [C in keyof R]: C extends 200 | 201 | 202
    ? R[C] extends { content: { 'application/json': infer B } }
      ? B
      : undefined
    : C extends 204
      ? undefined
      : never
}[keyof R]
type Reply<P extends keyof paths, M extends Method> = paths[P] extends { [K in M]: { responses: infer R } }
  ? Good<R>
  : never

type Body<P extends keyof paths, M extends Method> = paths[P] extends { [K in M]: { requestBody?: infer R } }
  ? NonNullable<R> extends { content: { 'application/json': infer B } }
    ? B
    : undefined
  : undefined

type Ask<B> = { w: World; id: string; q: URLSearchParams; body: B }
type Row = { method: string; path: RegExp; handle: (a: Ask<never>) => unknown }

const table: Row[] = []

export function on<M extends Method, P extends keyof paths>(
  method: M,
  path: P,
  handle: (a: Ask<Body<P, M>>) => Reply<P, M>,
) {
  const pattern = path.replace('/api/admin', '').replace(/\{\w+\}/g, '([^/]+)')
  table.push({ method: method.toUpperCase(), path: new RegExp(`^${pattern}$`), handle })
}

export class Fault extends Error {
  readonly problem: S['Problem']

  constructor(status: number, type: string, detail: string, field?: string, more: Partial<S['Problem']> = {}) {
    super(detail)
    const title = { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 404: 'Not Found' }[status] ?? 'Conflict'
    this.problem = {
      type: `urn:grpccontroller:problem:${type}`,
      title,
      status,
      detail,
      field,
      request_id: hex(16),
      ...more,
    }
  }
}

/** Answers a request of a page; throws a Fault. */
export function answer(w: World, method: string, path: string, q: URLSearchParams, body: unknown): unknown {
  const query = String(q)
  w.asked.push(`${method} ${path}${query && `?${query}`}`)
  const fault = w.faults.get(`${method} ${path}`)
  if (fault) {
    const { status, type = 'internal', detail = '', field } = fault
    throw new Fault(status, type, detail, field)
  }
  for (const row of table) {
    const match = row.method === method && row.path.exec(path)
    if (!match) continue
    permit(w, method, path)
    if (Number(q.get('page_size')) === pageSize) q.set('page_size', String(Math.min(pageSize, w.rows)))
    return row.handle({ w, id: decodeURIComponent(match[1] ?? ''), q, body: body as never })
  }
  throw new Fault(404, 'not-found', 'there is no such path in the admin API')
}

const pageSize = 50 // of the lists of the dashboard

const open = /^\/(setup|claims\/|session$)/
const proven = /^POST \/(tokens|keys|people|ca\/|requests\/[^/]+\/approve)/

function permit(w: World, method: string, path: string) {
  if (open.test(path) && !(path === '/session' && method === 'GET')) return
  if (!w.signedIn) throw new Fault(401, 'unauthenticated', 'sign in first')
  if (proven.test(`${method} ${path}`) && w.steppedUp < Date.now())
    throw new Fault(403, 'step-up-required', 'confirm that it is you')
  const needs = /^\/(people|sessions)/.test(path) ? 'people:manage' : /^\/(keys|logins)/.test(path) ? 'keys:manage' : ''
  if (needs && !permissions(w).includes(needs))
    throw new Fault(403, 'forbidden', `this needs the permission ${needs}, which this caller does not have`)
}

const rights: [World['role'], string[]][] = [
  ['auditor', ['fleet:read', 'audit:read', 'settings:read', 'self']],
  ['operator', ['fleet:write', 'tokens:write', 'requests:decide', 'members:revoke', 'attention:dismiss']],
  ['admin', ['ca:rotate', 'keys:manage']],
  ['owner', ['people:manage']],
]

export const permissions = (w: World) =>
  rights.slice(0, rights.findIndex(([r]) => r === w.role) + 1).flatMap(([, p]) => p)

type Row0 = Record<string, unknown>

/** A page of a list as the API makes it. */
export function page<T extends object>(list: T[], q: URLSearchParams) {
  let out = list as Row0[]
  const [key, value] = (q.get('label') ?? '').split('=')
  if (key) out = out.filter((m) => (m.labels as Record<string, string>)[key] === value)
  const words = (q.get('q') ?? '').toLowerCase()
  if (words) out = out.filter((m) => JSON.stringify(m).toLowerCase().includes(words))
  const status = q.get('status')
  if (status) out = out.filter((m) => (m.revoked_at ? 'REVOKED' : m.status) === status)
  else out = out.filter((m) => !('svid' in m && m.revoked_at))
  for (const f of ['actor', 'action', 'target', 'outcome']) if (q.get(f)) out = out.filter((m) => m[f] === q.get(f))
  const [since, until] = [q.get('since'), q.get('until')]
  if (since) out = out.filter((m) => String(m.time) >= since)
  if (until) out = out.filter((m) => String(m.time) < until)
  const sort = q.get('sort')
  if (sort) {
    const key = sort.replace(/^-/, '')
    const sign = sort.startsWith('-') ? -1 : 1
    const of = (m: Row0) => String(m[key] ?? '')
    out = [...out].sort((a, b) => (of(a) < of(b) ? -sign : of(a) > of(b) ? sign : 0))
  }
  const from = Number(q.get('page_token') || 0)
  if (Number.isNaN(from)) throw new Fault(400, 'invalid-request', 'is not a next_page_token of this list', 'page_token')
  const size = Number(q.get('page_size') || 100)
  const next_page_token = from + size < out.length ? String(from + size) : ''
  return { items: out.slice(from, from + size) as T[], next_page_token, total: out.length }
}

export function one<T extends object>(list: T[], id: string, key = 'id'): T {
  const m = list.find((x) => (x as Row0)[key] === id)
  if (!m) throw new Fault(404, 'not-found', 'nothing is enrolled with this id')
  return m
}
