import { useSyncExternalStore } from 'react'
import { Elapsed } from './clock'
import { Pulse, type State } from './pulse'

// The one pulse of the page, and its subscribers, which are called when its state changes.

export interface Liveness {
  state: State
  /** When something arrived from the controller last, in ms of the wall clock; 0 if never. */
  asOf: number
}

export const pulse = new Pulse()

/** The time of the pulse. */
export const elapsed = new Elapsed()

let current: Liveness = { state: 'connecting', asOf: 0 }
let timer = 0
const listeners = new Set<() => void>()

/** Looks at the pulse; called after each sign, and every second for the lack of one. */
export function look() {
  const now = elapsed.now()
  const state = pulse.state(now)
  if (state === current.state) return
  current = { state, asOf: pulse.asOf && Date.now() - (now - pulse.asOf) }
  for (const f of listeners) f()
}

function subscribe(f: () => void) {
  listeners.add(f)
  timer ||= window.setInterval(look, 1000)
  return () => {
    listeners.delete(f)
    if (listeners.size) return
    clearInterval(timer)
    timer = 0
  }
}

/** The state of the connection; of a lost one also since when. */
export const useLiveness = () => useSyncExternalStore(subscribe, () => current)

const clock = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
})

/** hh:mm:ss of a time in ms. */
export const timeOfDay = (at: number) => clock.format(at)

/** Why nothing can be changed now, or undefined if it can. */
export function whyNot({ state, asOf }: Liveness): string | undefined {
  if (state !== 'away') return undefined
  return asOf
    ? `The controller has not answered since ${timeOfDay(asOf)}. Nothing can be changed until it does.`
    : 'The controller does not answer. Nothing can be changed until it does.'
}

/** Why nothing can be changed now: the reason beside a button that is disabled. */
export const useWhyNot = () => whyNot(useLiveness())

/** Why a change is not even tried now. */
export function whyNotNow() {
  look()
  return pulse.arrivedLately(elapsed.now()) ? undefined : whyNot(current)
}
