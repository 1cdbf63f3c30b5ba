import { describe, expect, it } from 'vitest'
import { APIError } from './client'
import { faultsAt, kindOf, sentence, wordsOf } from './words'

const problem = (kind: string, detail: string, field?: string) =>
  new APIError({
    type: `urn:grpccontroller:problem:${kind}`,
    title: 'Bad Request',
    status: 400,
    detail,
    request_id: 'r',
    field,
  })

describe('the words of an error', () => {
  it('are never the word of HTTP', () => {
    const { title, detail } = wordsOf(problem('rotation-state', 'no rotation is running'))
    expect(`${title} ${detail}`).toBe('This is not possible now No rotation is running.')
  })

  it('are those of the place if it has some for this kind', () => {
    const says = { unauthenticated: "This code is not right. Is the phone's clock right?" }
    expect(wordsOf(problem('unauthenticated', 'sign-in was refused'), says).detail).toBe(says.unauthenticated)
    expect(wordsOf(problem('too-many-failures', 'too many failed attempts'), says).title).toBe('Too many attempts')
  })

  it('do not call it a refusal that a thing is not there', () => {
    const says = { 'not-found': 'No connector has this id.' }
    expect(wordsOf(problem('not-found', 'x'), says)).toEqual({ title: 'Not found', detail: says['not-found'] })
  })

  it('say that nobody answered', () => {
    const away = new APIError({ type: 'about:blank', title: 'x', status: 0, detail: 'Is it running?', request_id: '' })
    expect(wordsOf(away)).toEqual({ title: 'No answer from the controller', detail: 'Is it running?' })
  })

  it('have a kind only if the API has it', () => {
    expect(kindOf(problem('live-member', ''))).toBe('live-member')
    expect(kindOf(new APIError({ type: 'about:blank', title: '', status: 502, request_id: '' }))).toBe('')
    expect(kindOf(new Error('x'))).toBe('')
  })

  it('are sentences', () => {
    expect(sentence('must have a name')).toBe('Must have a name.')
    expect(sentence('Is it?')).toBe('Is it?')
    expect(sentence(' ')).toBe('')
  })
})

describe('faults of fields', () => {
  it('are said at their field only', () => {
    const err = problem('invalid-request', 'must be a network', 'source_cidr')
    const at = faultsAt(err, ['id', 'source_cidr'])
    expect(at.of('source_cidr')).toBe('Must be a network.')
    expect(at.of('id')).toBeUndefined()
    expect(at.rest).toBeNull()
  })

  it('are all said at once', () => {
    const err = problem('invalid-request', 'must be a network', 'source_cidr')
    err.problem.errors = [
      { in: 'body', name: 'source_cidr', detail: 'must be a network' },
      { in: 'body', name: 'ttl', detail: 'must be a duration' },
    ]
    const at = faultsAt(err, ['ttl', 'source_cidr'])
    expect([at.of('source_cidr'), at.of('ttl'), at.rest]).toEqual(['Must be a network.', 'Must be a duration.', null])
    expect(faultsAt(err, ['ttl']).rest).toBe(err)
  })

  it('of entries of a list are said at the list', () => {
    const err = problem('invalid-request', 'is no name', 'hosts[1]')
    err.problem.errors = [
      { in: 'body', name: 'hosts[1]', detail: 'is no name' },
      { in: 'body', name: 'hosts[2]', detail: 'is no prefix' },
    ]
    const at = faultsAt(err, ['hosts'])
    expect([at.of('hosts'), at.of('ports'), at.rest]).toEqual(['Is no name. Is no prefix.', undefined, null])
  })

  it('are said below a form that has no such field', () => {
    const err = problem('invalid-request', 'must be a network', 'source_cidr')
    expect(faultsAt(err, ['id']).rest).toBe(err)
  })

  it('leave an error without a field to be said below', () => {
    const err = problem('internal', 'internal error')
    expect(faultsAt(err, ['id']).rest).toBe(err)
    expect(faultsAt(null, ['id']).rest).toBeNull()
  })
})
