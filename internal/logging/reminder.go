package logging

import "time"

// How often a Reminder is due while nothing changes: after a minute, then after twice
// the time each, up to an hour.
const (
	ReminderFirst = time.Minute
	ReminderMost  = time.Hour
)

// Reminder says when a condition that continues is worth another line: at once, then at
// growing intervals. The zero value is a condition that has not begun. It is not safe
// for concurrent use.
type Reminder struct {
	began, next time.Time
	pause       time.Duration
	times       int
}

// Due notes that the condition holds at this moment, and says whether to log it now.
// times is how often it was noted since it began, this one included.
func (r *Reminder) Due(now time.Time) (due bool, times int) {
	r.times++
	switch {
	case r.began.IsZero():
		r.began, r.pause = now, ReminderFirst
	case now.Before(r.next):
		return false, r.times
	default:
		r.pause = min(2*r.pause, ReminderMost)
	}
	r.next = now.Add(r.pause)
	return true, r.times
}

// Began is when the condition was noted first, zero while it does not hold.
func (r *Reminder) Began() time.Time { return r.began }

// Over ends the condition, and says whether it held: that is worth a line too.
func (r *Reminder) Over() (held bool) {
	held = !r.began.IsZero()
	*r = Reminder{}
	return held
}
