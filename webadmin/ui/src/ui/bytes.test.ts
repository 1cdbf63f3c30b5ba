import { expect, it } from 'vitest'
import { bytes } from './bytes'

it('a number of bytes has its greatest unit', () => {
  expect([0, 1, 999, 1000, 9_949, 9_960, 999_499, 999_600, 1.5e9, 4e15].map(bytes)).toEqual([
    '0 bytes',
    '1 byte',
    '999 bytes',
    '1.0 KB',
    '9.9 KB',
    '10 KB',
    '999 KB',
    '1.0 MB',
    '1.5 GB',
    '4.0 PB',
  ])
})
