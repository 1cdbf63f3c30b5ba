import { expect, it } from 'vitest'
import type { Grant } from '@/api/types'
import { changeOf, draftOf, emptyDraft, requestOf } from './draft'

const grant: Grant = {
  id: 'oncall',
  subject: 'label/site=fra',
  object: 'resource/db',
  until: '2030-01-02T15:04:05Z',
  time_zone: 'Europe/Berlin',
  windows: ['mon-fri 08:00-18:00'],
  created_at: '2029-01-01T00:00:00Z',
  revision: 3,
}

it('a grant that is not changed sends nothing, not even the end whose seconds no field shows', () => {
  expect(changeOf(grant, draftOf(grant))).toEqual({})
  const always: Grant = { ...grant, until: undefined, time_zone: undefined, windows: undefined }
  expect(changeOf(always, draftOf(always))).toEqual({})
})

it('only what was changed is sent', () => {
  const d = draftOf(grant)
  expect(changeOf(grant, { ...d, subject: { by: 'id', id: ' ada ', label: '' } })).toEqual({ subject: 'tunneler/ada' })
  expect(changeOf(grant, { ...d, object: { by: 'label', id: '', label: 'env=prod' } })).toEqual({
    object: 'label/env=prod',
  })
  expect(changeOf(grant, { ...d, until: '2031-05-06T07:08' })).toEqual({
    until: new Date('2031-05-06T07:08').toISOString(),
  })
})

it('an end and hours are taken away, the hours with their zone', () => {
  const d = draftOf(grant)
  expect(changeOf(grant, { ...d, until: '' })).toEqual({ until: null })
  expect(changeOf(grant, { ...d, atHours: false })).toEqual({ time_zone: null, windows: [] })
})

it('hours are sent with their zone, whichever was changed', () => {
  const d = draftOf(grant)
  const both = { time_zone: 'UTC', windows: ['mon-fri 08:00-18:00'] }
  expect(changeOf(grant, { ...d, timeZone: 'UTC' })).toEqual(both)
  expect(changeOf(grant, { ...d, windows: ['sat 10:00-14:00'] })).toEqual({
    time_zone: 'Europe/Berlin',
    windows: ['sat 10:00-14:00'],
  })
})

it('a new grant without hours has no zone', () => {
  const d = { ...emptyDraft('ada', 'db'), windows: ['mon 08:00-18:00'] }
  expect(requestOf(d)).toEqual({ subject: 'tunneler/ada', object: 'resource/db', until: undefined })
})
