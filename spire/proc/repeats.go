package proc

import (
	"sync"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

const (
	// maxRepeats bounds how many different lines of a child are remembered.
	maxRepeats = 512
	// forgetAfter ends a condition that was not logged for this long: the next line is a new one.
	forgetAfter = 2 * logging.ReminderMost
	// seldom is how many equal lines in a row are all written: a child that was started
	// three times by an operator is no condition.
	seldom = 3
	// settleTime is how long an error that ends by itself is a warning: three times as
	// long as an agent needs to learn of a new registration entry.
	settleTime = 15 * time.Second
	// settleGap is how long a child is silent about such an error when it is over.
	settleGap = time.Minute
)

// repeats distinguishes a condition that a child logs again and again from news. It
// outlives the child, which may die of the condition. It is safe for concurrent use.
type repeats struct {
	mu    sync.Mutex
	known map[string]*repeated
	since map[string]span // by message, of errors that end by themselves
}

// span is from when to when a child complained.
type span struct{ first, last time.Time }

// repeated is one line and its equals.
type repeated struct {
	reminder logging.Reminder
	last     time.Time
}

// due says whether to write a line now, and how often an equal one came before it.
func (r *repeats) due(level zapcore.Level, msg, about string) (due bool, times int) {
	key := level.String() + " " + logging.WithoutNumbers(msg) + " " + about
	if len(key) > maxKey {
		key = key[:maxKey]
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	one := r.known[key]
	if one == nil || now.Sub(one.last) > forgetAfter {
		if len(r.known) >= maxRepeats || r.known == nil {
			r.known = map[string]*repeated{} // a condition that continues is written once more
		}
		one = &repeated{}
		r.known[key] = one
	}
	one.last = now
	due, times = one.reminder.Due(now)
	return due || times <= seldom, times
}

// settled returns the level of a line: an error that ends by itself is a warning until
// the child has complained of it for settleTime.
func (r *repeats) settled(level zapcore.Level, msg string) zapcore.Level {
	if level != zapcore.ErrorLevel || !settling[msg] {
		return level
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since == nil {
		r.since = map[string]span{}
	}
	s := r.since[msg]
	if s.first.IsZero() || now.Sub(s.last) > settleGap {
		s.first = now
	}
	s.last = now
	r.since[msg] = s
	if now.Sub(s.first) < settleTime {
		return zapcore.WarnLevel
	}
	return level
}

// maxKey bounds what is compared of a line.
const maxKey = 1024
