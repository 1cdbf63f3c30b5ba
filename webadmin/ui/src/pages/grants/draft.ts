import type { Grant, GrantChange, GrantRequest } from '@/api/types'
import { referenceOf } from './reference'

/** What was chosen of one side of a grant. */
export type Choice = { by: 'id' | 'label'; id: string; label: string }

export const noChoice: Choice = { by: 'id', id: '', label: '' }

const choiceOf = (reference: string): Choice => {
  const { kind, value } = referenceOf(reference)
  return kind === 'label' ? { by: 'label', id: '', label: value } : { by: 'id', id: value, label: '' }
}

/** A choice as the API takes it. */
export const textOf = (kind: 'tunneler' | 'resource', c: Choice) =>
  c.by === 'id' ? `${kind}/${c.id.trim()}` : `label/${c.label.trim()}`

/** A grant as a form has it. */
export type Draft = {
  subject: Choice
  object: Choice
  /** As a field for local times has it; empty for no end. */
  until: string
  /** It holds in windows only; otherwise they and their zone do not count. */
  atHours: boolean
  timeZone: string
  windows: string[]
}

/** The zone of the browser. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone

export const emptyDraft = (tunneler = '', resource = ''): Draft => ({
  subject: { ...noChoice, id: tunneler },
  object: { ...noChoice, id: resource },
  until: '',
  atHours: false,
  timeZone: zone,
  windows: [],
})

export const draftOf = (g: Grant): Draft => ({
  subject: choiceOf(g.subject),
  object: choiceOf(g.object),
  until: g.until ? localOf(g.until) : '',
  atHours: !!g.windows?.length,
  timeZone: g.time_zone ?? zone,
  windows: g.windows ?? [],
})

/** A time as a field for local times has it, to the minute. */
function localOf(at: string): string {
  const t = new Date(at)
  const two = (n: number) => String(n).padStart(2, '0')
  return `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}T${two(t.getHours())}:${two(t.getMinutes())}`
}

export const requestOf = (d: Draft): GrantRequest => ({
  subject: textOf('tunneler', d.subject),
  object: textOf('resource', d.object),
  until: d.until ? new Date(d.until).toISOString() : undefined,
  ...(d.atHours && { time_zone: d.timeZone, windows: d.windows }),
})

/** What a form has changed of a grant: only that is sent. An end keeps its seconds, which the field does not show, unless it was changed. */
export function changeOf(g: Grant, d: Draft): GrantChange {
  const before = draftOf(g)
  const [subject, object] = [textOf('tunneler', d.subject), textOf('resource', d.object)]
  const hours = (x: Draft) => (x.atHours ? [x.timeZone, ...x.windows].join('\n') : '')
  return {
    ...(subject !== g.subject && { subject }),
    ...(object !== g.object && { object }),
    ...(d.until !== before.until && { until: d.until ? new Date(d.until).toISOString() : null }),
    ...(hours(d) !== hours(before) && {
      time_zone: d.atHours ? d.timeZone : null,
      windows: d.atHours ? d.windows : [],
    }),
  }
}
