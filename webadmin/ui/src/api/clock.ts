// Two clocks that a person cannot set: how long ago something was, and the controller's time.

const leap = 1000 // ms; less is how differently the two are rounded and set right

/**
 * Measures spans on this page. The wall clock alone may be set back, and then what is silent
 * looks fresh; the other clock of a browser may stand still while the machine sleeps, so a
 * wall clock that leaps ahead is believed: what is fresh may look old for a moment, never
 * the reverse.
 */
export class Elapsed {
  private total = 1
  private wallAt: number
  private steadyAt: number

  constructor(
    private readonly wall = () => Date.now(),
    private readonly steady = () => performance.now(),
  ) {
    this.wallAt = wall()
    this.steadyAt = steady()
  }

  /** Milliseconds since it was made, and never 0. */
  now(): number {
    const [byWall, bySteady] = [this.wall() - this.wallAt, this.steady() - this.steadyAt]
    this.total += byWall - bySteady > leap ? byWall : bySteady
    this.wallAt += byWall
    this.steadyAt += bySteady
    return this.total
  }
}

// A reply was made up to a second after the time in its header Date, and took its way: only
// what is further off is a clock that is wrong.
const tolerance = 5_000 // ms

let ahead = 0 // ms, of the controller's clock before this browser's

/** By how much a clock is wrong, given a time of the controller; 0 if it is not. */
export function error(theirs: number, ours: number) {
  const by = theirs - ours
  return Number.isFinite(by) && Math.abs(by) > tolerance ? by : 0
}

/** Takes the time that a reply of the controller carries. */
export function noteTime(date: string | null) {
  if (date) ahead = error(Date.parse(date), Date.now())
}

/** The controller's time in ms: its times are compared with it, and not with a clock of this machine that may be wrong. */
export const serverNow = () => Date.now() + ahead
