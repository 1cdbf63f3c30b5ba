import { expect, it } from 'vitest'
import { partsOf, unmarked } from './prose'

it('what stands between backticks is code', () => {
  expect(partsOf('Run `grpcconnector doctor` there.')).toEqual(['Run ', 'grpcconnector doctor', ' there.'])
  expect(partsOf('no code')).toEqual(['no code'])
  expect(unmarked('Run `grpcconnector doctor`.')).toBe('Run grpcconnector doctor.')
})

it('a lone backtick marks nothing', () => {
  expect(partsOf('it is a ` here')).toEqual(['it is a ` here'])
})
