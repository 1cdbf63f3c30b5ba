import { describe, expect, it } from 'vitest'
import { backward, forward, knowsWayBack, placeOf, type Trail, withFilter, withSelection } from './liststate'

const params = (text: string) => new URLSearchParams(text)

describe('a list in the address', () => {
  it('begins at the first page', () => {
    expect(placeOf(params(''))).toEqual({ after: '', page: 1 })
  })

  it('is at the first page if the address has a number but no cursor', () => {
    expect(placeOf(params('page=7'))).toEqual({ after: '', page: 1 })
  })

  it('takes no number that cannot be one', () => {
    for (const page of ['', 'x', '-1', '0', '1', '1e99', '2.5']) {
      expect(placeOf(params(`after=t&page=${page}`)).page, page).toBe(2)
    }
  })

  it('goes forward and comes back the same way', () => {
    let at: [URLSearchParams, Trail] = [params('q=fra'), []]
    at = forward(...at, 'two')
    at = forward(...at, 'three')
    expect(String(at[0])).toBe('q=fra&page=3&after=three')
    expect(knowsWayBack(...at)).toBe(true)
    at = backward(...at)
    expect(String(at[0])).toBe('q=fra&page=2&after=two')
    at = backward(...at)
    expect(String(at[0])).toBe('q=fra')
    expect(at[1]).toEqual([])
  })

  it('leads from a shared link to the first page, for lack of the way back', () => {
    const shared = params('q=fra&page=3&after=three')
    expect(knowsWayBack(shared, [])).toBe(false)
    expect(String(backward(shared, [])[0])).toBe('q=fra')
  })

  it('does not use the trail of another page', () => {
    expect(String(backward(params('page=3&after=three'), ['two', 'else'])[0])).toBe('')
  })

  it('opens and closes a record on the page that shows it', () => {
    const page = params('q=fra&page=3&after=three')
    const open = withSelection(page, { record: '7', at: 'then' })
    expect(String(open)).toBe('q=fra&page=3&after=three&record=7&at=then')
    expect(String(withSelection(open))).toBe(String(page))
    for (const [next] of [forward(open, [], 'four'), backward(open, ['two', 'three'])]) {
      expect(next.has('record')).toBe(false)
    }
    expect(String(withFilter(open, 'q', 'ams'))).toBe('q=ams')
  })

  it('begins anew when a filter changes', () => {
    expect(String(withFilter(params('q=fra&page=3&after=three'), 'status', 'REVOKED'))).toBe('q=fra&status=REVOKED')
    expect(String(withFilter(params('q=fra&page=3&after=three'), 'q', ''))).toBe('')
  })
})
