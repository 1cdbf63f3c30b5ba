// What the page knows of its connection to the controller, without timers or a
// browser: every method gets the time.

/**
 * connecting: nothing has arrived yet; live: changes arrive by themselves; polling: the
 * event stream is gone, but the controller answers; away: it does neither; catching: it is
 * back, but what is shown was read before it went.
 */
export type State = 'connecting' | 'live' | 'polling' | 'away' | 'catching'

/** How long nothing may arrive before the page says so. The controller sends something every 5 s. */
export const silence = 20_000 // ms

// One round of what the controller sends by itself.
const lately = 5_000 // ms

export class Pulse {
  private stream = false
  private streamAt = 0 // the last byte of the event stream
  private answeredAt = 0
  private lostAt = 0
  private refusedOnce = false // listening was tried in vain
  private behind = false // what is shown was read before the last loss
  private begunAt = 0 // 0: nothing is expected to arrive by itself, so silence is no sign

  /** An event stream is wanted from now on. */
  begin(now: number) {
    this.begunAt = now
  }

  /** No event stream is wanted any more. */
  end() {
    this.begunAt = 0
    this.stream = false
  }

  /** A byte of the event stream arrived. */
  byte(now: number) {
    this.stream = true
    this.streamAt = now
  }

  /** The controller answered a request. */
  answered(now: number) {
    this.answeredAt = now
  }

  /** A request got no answer. What the stream says counts for more. */
  failed(now: number) {
    if (this.silent(now)) this.lostAt = now
  }

  /** The event stream ended, or could not be opened. */
  lost(now: number) {
    this.stream = false
    this.lostAt = now
    this.behind = true
  }

  /** An attempt to listen failed, which is no sign of the controller. */
  refused() {
    this.stream = false
    this.refusedOnce = true
  }

  /** What is shown was read before an event that was not received. */
  fellBehind() {
    this.behind = true
  }

  /** Everything that is shown was read again. */
  caughtUp() {
    this.behind = false
  }

  /** Whether the controller answers, but what is shown was not read again yet. */
  mayCatchUp(now: number) {
    return this.behind && this.answers(now)
  }

  /** Whether the controller answered lately, and nothing says that it does not any more. */
  answers(now: number) {
    return !this.silent(now) || (this.asOf > this.lostAt && now - this.asOf < silence)
  }

  /**
   * Whether something arrived so lately that a change may be sent in any state. A stream
   * that has just ended is no sign that nobody answers: a confirmation ends it too.
   */
  arrivedLately(now: number) {
    return this.asOf > 0 && now - this.asOf < lately
  }

  /** Nobody listens any more: the page is hidden. It is no fault, until the page is old. */
  rested() {
    this.stream = false
    this.behind = true
  }

  /** Whether the stream is not open, or nothing comes from it. */
  silent(now: number) {
    return !this.stream || now - this.streamAt >= silence
  }

  state(now: number): State {
    if (!this.begunAt) return 'connecting'
    if (!this.silent(now)) return this.behind ? 'catching' : 'live'
    if (this.answers(now)) {
      if (this.behind) return 'catching'
      return this.lostAt || this.refusedOnce ? 'polling' : 'connecting'
    }
    if (!this.asOf && !this.lostAt && now - this.begunAt < silence) return 'connecting'
    return 'away'
  }

  /** When something arrived from the controller last; 0 if never. */
  get asOf() {
    return Math.max(this.streamAt, this.answeredAt)
  }
}
