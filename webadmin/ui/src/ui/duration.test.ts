import { expect, it } from 'vitest'
import { durationOf } from './duration'

it('a duration is said in words', () => {
  for (const [text, words] of [
    ['24h0m0s', '24 hours'],
    ['48h0m0s', '2 days'],
    ['9600h0m0s', '400 days'],
    ['49h30m0s', '2 days 1 hour 30 minutes'],
    ['5m30s', '5 minutes 30 seconds'],
    ['1h1m1s', '1 hour 1 minute 1 second'],
    ['1.5s', '1.5 seconds'],
    ['0s', '0 seconds'],
    ['10m', '10 minutes'],
  ] as const)
    expect(durationOf(text), text).toBe(words)
})

it('what is no duration stays as it is', () => {
  for (const text of ['', '127.0.0.1:8080', 'ms', '500ms', '-5m0s', '10', 'https://id.corp.example'])
    expect(durationOf(text)).toBe(text)
})
