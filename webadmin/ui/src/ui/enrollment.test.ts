import { describe, expect, it } from 'vitest'
import { needsSecret, stageOf } from './enrollment'

const redeemed = { status: 'redeemed', host_id: 'h2' } as const

describe('the stage of an enrollment', () => {
  it('waits while nothing is known of the token', () => {
    expect(stageOf()).toBe('waiting')
    expect(stageOf({ status: 'pending' })).toBe('waiting')
  })

  it('is not online because of the host that the token replaces', () => {
    const old = { status: 'ONLINE', host_id: 'h1' } as const
    expect(stageOf({ status: 'pending' }, old)).toBe('waiting')
    expect(stageOf(redeemed, old)).toBe('redeemed')
  })

  it('is online when the new host is', () => {
    expect(stageOf(redeemed, { status: 'OFFLINE', host_id: 'h2' })).toBe('redeemed')
    expect(stageOf(redeemed, { status: 'ONLINE', host_id: 'h2' })).toBe('online')
    expect(stageOf(redeemed, { status: 'ONLINE', host_id: 'h2', revoked_at: '2026-01-01T00:00:00Z' })).toBe('redeemed')
  })

  it('ends with the token', () => {
    expect(stageOf({ status: 'expired' })).toBe('expired')
    expect(stageOf({ status: 'revoked' })).toBe('revoked')
  })
})

describe('the secret', () => {
  it('is there until the host is online or the token is of no use', () => {
    expect(['waiting', 'redeemed', 'online', 'expired', 'revoked'].filter((s) => needsSecret(s as never))).toEqual([
      'waiting',
      'redeemed',
    ])
  })
})
