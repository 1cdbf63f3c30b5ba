import { describe, expect, it } from 'vitest'
import { endOf, startOf } from './days'
import { exportURL } from './exporturl'
import { verified } from './verified'

describe('days of a filter', () => {
  it('contain all of the last day', () => {
    expect(Date.parse(endOf('2026-06-10') ?? '') - Date.parse(startOf('2026-06-10') ?? '')).toBe(86_400_000)
    expect(endOf('2026-12-31')).toBe(startOf('2027-01-01'))
  })

  it('are no filter if they are no days', () => {
    for (const day of ['', 'yesterday', '2026-13-40']) expect(startOf(day) ?? endOf(day), day).toBeUndefined()
  })
})

describe('a download', () => {
  it('has the filters of the list, and all its pages', () => {
    const query = { page_size: 50, page_token: 'x', member: 'connector/a', serial: undefined }
    expect(exportURL('/audit/renewals/export', query)).toBe('/api/admin/audit/renewals/export?member=connector%2Fa')
    expect(exportURL('/audit/export', { page_size: 50 })).toBe('/api/admin/audit/export')
  })
})

describe('the verification', () => {
  it('says how many of how many records', () => {
    const checkpoint = { size: 1200, note: '', verifier_key: '' }
    expect(verified({ records: 1187, checkpoint })).toBe('Verified 1,187 of 1,200 records: unchanged')
  })

  it('does not call a log unchanged of which nothing was verified', () => {
    expect(verified({ records: 0, checkpoint: { size: 55, note: '', verifier_key: '' } })).toBe(
      'None of 55 records is verified yet',
    )
  })

  it('never verifies more than there is', () => {
    expect(verified({ records: 9, checkpoint: { size: 0, note: '', verifier_key: '' } })).toContain('9 of 9')
  })
})
