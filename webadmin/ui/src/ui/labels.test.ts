import { describe, expect, it } from 'vitest'
import { changeOf, faultOf, textsOf } from './labels'

describe('labels', () => {
  it('are written by key', () => {
    expect(textsOf({ site: 'fra', env: 'prod' })).toEqual(['env=prod', 'site=fra'])
  })

  it('are changed only where they differ', () => {
    const before = { env: 'prod', site: 'fra', old: 'x' }
    expect(changeOf(before, ['env=prod', 'site=ams', 'team=core'])).toEqual({ old: null, site: 'ams', team: 'core' })
    expect(changeOf(before, textsOf(before))).toEqual({})
  })

  it('have a key and a value', () => {
    expect(faultOf(['env=prod', 'app.kubernetes.io/name=web'])).toBe('')
    expect(faultOf(['prod'])).toContain('is not a label')
    expect(faultOf(['Env=prod'])).toContain('is not a valid key')
    expect(faultOf(['=prod'])).toContain('is not a valid key')
    expect(faultOf(['env='])).toContain('is not a valid value')
    expect(faultOf(['env=a=b'])).toContain('is not a valid value')
    expect(faultOf([`${'k'.repeat(64)}=v`])).toContain('is not a valid key')
  })

  it('have each key once, and are not too many', () => {
    expect(faultOf(['env=prod', 'env=test'])).toContain('two values')
    expect(faultOf(Array.from({ length: 33 }, (_, i) => `k${i}=v`))).toContain('at most 32')
    expect(
      faultOf(
        Array.from({ length: 17 }, (_, i) => `k${i}=v`),
        16,
      ),
    ).toContain('at most 16')
  })
})
