// What the page knows of its connection to the controller, without timers or a
// browser: every method is told the time.

/**
 * connecting: nothing was heard yet; live: changes arrive by themselves; polling: the
 * event stream is gone, but the controller answers; away: it does neither.
 */
export type State = 'connecting' | 'live' | 'polling' | 'away'

/** How long nothing may arrive before the page says so. The controller sends something every 5 s. */
export const silence = 20_000 // ms

export class Pulse {
  private stream = false
  private streamAt = 0 // the last byte of the event stream
  private answeredAt = 0
  private lostAt = 0
  private begunAt = 0 // 0: nothing is expected to arrive by itself, so silence says nothing

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
  }

  /** Nobody listens any more: the page is hidden. It is no fault, until the page is old. */
  rested() {
    this.stream = false
  }

  /** Whether the stream is not open, or nothing comes from it. */
  silent(now: number) {
    return !this.stream || now - this.streamAt >= silence
  }

  state(now: number): State {
    if (!this.begunAt) return 'connecting'
    if (!this.silent(now)) return 'live'
    const fresh = this.asOf > 0 && now - this.asOf < silence
    if (fresh && this.asOf > this.lostAt) return this.lostAt ? 'polling' : 'connecting'
    if (!this.asOf && !this.lostAt && now - this.begunAt < silence) return 'connecting'
    return 'away'
  }

  /** When the controller was heard of last; 0 if never. */
  get asOf() {
    return Math.max(this.streamAt, this.answeredAt)
  }
}
