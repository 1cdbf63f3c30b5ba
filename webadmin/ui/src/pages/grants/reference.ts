import type { Grant } from '@/api/types'

/** Whom a grant is for, or of what it is: one thing by its id, or all things with a label. */
export type Reference = { kind: 'tunneler' | 'resource' | 'label'; value: string }

/** A reference as the API writes it: tunneler/ID, resource/ID or label/KEY=VALUE. */
export function referenceOf(text: string): Reference {
  const at = text.indexOf('/')
  return { kind: text.slice(0, at) as Reference['kind'], value: text.slice(at + 1) }
}

/** A grant's subjects or objects that include a thing: itself, and each of its labels. */
export const referencesTo = (kind: 'tunneler' | 'resource', id: string, labels: Record<string, string> = {}) => [
  `${kind}/${id}`,
  ...Object.entries(labels)
    .map(([k, v]) => `label/${k}=${v}`)
    .sort(),
]

/** Where what a reference names is shown. list is the page of all things of its side. */
export function pathOf({ kind, value }: Reference, list: '/tunnelers' | '/resources'): string {
  if (kind === 'label') return `${list}?label=${encodeURIComponent(value)}`
  return `${list}/${encodeURIComponent(value)}`
}

/** A grant that has ended allows nothing, and stays in the list until somebody withdraws it. */
export const hasEnded = (g: Pick<Grant, 'until'>, now: number) => !!g.until && Date.parse(g.until) <= now

/** At which hours a grant holds, in words; empty for always. */
export const hoursOf = (g: Pick<Grant, 'windows' | 'time_zone'>) =>
  g.windows?.length ? `${g.windows.join('; ')} in ${g.time_zone}` : ''
