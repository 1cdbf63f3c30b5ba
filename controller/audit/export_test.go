package audit

import "time"

// NewTurnsOf gives turns when heads says so.
func NewTurnsOf(heads <-chan struct{}, now func() time.Time) *Turns {
	return &Turns{heads: func() (<-chan struct{}, func()) { return heads, func() {} }, now: now}
}
