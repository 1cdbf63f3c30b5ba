import type { BrokenPolicyTest } from '@/api/types'
import { sentenceOf } from './decisions'

/** What a policy test says, in parts: who must reach what, or must not. */
type Expectation = Pick<BrokenPolicyTest, 'subject' | 'expect'>

/** Whose access a policy test is about. A tunneler that is named counts with the labels that it has. */
export function whoOf(subject: string): { about: string; name: string } {
  const at = subject.indexOf('/')
  const name = subject.slice(at + 1)
  return subject.slice(0, at) === 'label'
    ? { about: 'A tunneler with only the label', name }
    : { about: 'Tunneler', name }
}

export const mustOf = (t: Pick<Expectation, 'expect'>) => (t.expect === 'reach' ? 'must reach' : 'must not reach')

/** What would be decided instead, as the end of a sentence. */
export function insteadOf({ decision: d }: Pick<BrokenPolicyTest, 'decision'>): string {
  if (d.allowed) return `and would by the grant ${d.grant_id} of the resource ${d.resource_id}.`
  const by = [d.resource_id && `resource ${d.resource_id}`, d.grant_id && `grant ${d.grant_id}`].filter(Boolean)
  return `and would be refused${by.length ? ` (${by.join(', ')})` : ''}. ${sentenceOf(d.code)}`
}

/** So many of the tests that a change breaks are named by the API. */
const named = 20

export function headOf(broken: readonly unknown[]): string {
  if (broken.length === 1) return 'A policy test would not hold'
  return `${broken.length === named ? `${named} or more` : broken.length} policy tests would not hold`
}
