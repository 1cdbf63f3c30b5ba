import { APIError } from './client'

// Errors in the words of a person: the thing that is wrong and the way out, never the
// word that HTTP has for it.

/** What to say of a problem in a certain place, by the last part of its type. */
export type Sayings = Partial<Record<string, string>>

const prefix = 'urn:grpccontroller:problem:'

const titles: Record<string, string> = {
  'invalid-request': 'A value is not right',
  unauthenticated: 'You are signed out',
  forbidden: 'You may not do this',
  'not-found': 'Not found',
  'live-member': 'This id is in use',
  'too-many-failures': 'Too many attempts',
  timeout: 'The controller took too long',
  internal: 'The controller could not do this',
}

/** The kind of a problem: the last part of its type; empty of what is no problem of the API. */
export function kindOf(err: unknown): string {
  return err instanceof APIError && err.problem.type.startsWith(prefix) ? err.problem.type.slice(prefix.length) : ''
}

/** A title and a sentence for an error. */
export function wordsOf(err: unknown, says: Sayings = {}): { title: string; detail: string } {
  const kind = kindOf(err)
  const said = says[kind]
  if (said) return { title: titleOf(err, kind, true), detail: said }
  return { title: titleOf(err, kind, false), detail: sentence(err instanceof Error ? err.message : String(err)) }
}

function titleOf(err: unknown, kind: string, said: boolean): string {
  if (err instanceof APIError && err.problem.status === 0) return 'No answer from the controller'
  if (said && kind !== 'not-found') return 'Not accepted'
  return titles[kind] ?? 'This is not possible now'
}

/** A text of the API as a sentence. */
export function sentence(text: string): string {
  const t = text.trim()
  if (!t) return ''
  return t[0]?.toUpperCase() + t.slice(1) + (/[.!?]$/.test(t) ? '' : '.')
}

/** The faults of an error by the field that has them. */
export function faultsOf(err: unknown): ReadonlyMap<string, string> {
  const faults = new Map<string, string>()
  if (!(err instanceof APIError)) return faults
  const { errors, field, detail } = err.problem
  for (const f of errors ?? []) faults.set(f.name, sentence(f.detail))
  if (field && !faults.has(field)) faults.set(field, sentence(detail ?? ''))
  return faults
}

/** The field of a form that has an entry such as hosts[2]. */
const listOf = (field: string) => field.replace(/\[\d+\]$/, '')

/** What a form says beside its fields, and what is left to say below them. */
export function faultsAt(err: unknown, fields: readonly string[]) {
  const faults = faultsOf(err)
  const elsewhere = faults.size === 0 || [...faults.keys()].some((f) => !fields.includes(listOf(f)))
  return {
    // Also what is wrong with entries of a list, such as hosts[2].
    of: (field: string) =>
      [...faults].flatMap(([f, fault]) => (listOf(f) === field ? [fault] : [])).join(' ') || undefined,
    rest: err && elsewhere ? err : null,
  }
}
