package session

import "time"

// stopwatch measures how long a loop has run. While this program stands still it does not
// count: answers that come meanwhile are yet to be read, so nothing is late because of
// that time.
type stopwatch struct {
	looked  time.Time     // when the loop ran last
	resumed time.Time     // when it did for the first time after the last standstill
	ran     time.Duration // up to looked
}

// look is called each time that the loop runs.
func (w *stopwatch) look(now time.Time) {
	switch gap := now.Sub(w.looked); {
	case w.looked.IsZero():
	case gap > stalled:
		w.resumed = now
	default:
		w.ran += gap
	}
	w.looked = now
}

// patience is what one connector is waited for.
type patience struct {
	began time.Time     // of the wait that a standstill interrupted
	from  time.Duration // what the stopwatch showed when the program went on
}

// since is how long ago a wait began. The first standstill in it excuses all that was before,
// and those that follow excuse only themselves: otherwise a connector that is silent would
// never be late for a program that stands still every other second.
func (p *patience) since(began time.Time, w stopwatch) time.Duration {
	if !w.resumed.After(began) {
		return w.looked.Sub(began)
	}
	if !p.began.Equal(began) {
		*p = patience{began, w.ran - w.looked.Sub(w.resumed)}
	}
	return w.ran - p.from
}
