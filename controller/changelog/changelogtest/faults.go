package changelogtest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
)

// Subject is a part that follows a Log, with what it follows.
type Subject struct {
	Log *Log
	// Start makes the part anew, as after a kill: what it had in memory is gone. It
	// returns what has it take everything that was committed before.
	Start func() (catchUp func(context.Context) error)
	// Commit changes something that the part depends on, with its rows in Log, and wakes
	// nobody.
	Commit func()
	// Agrees requires that the part has done what follows from all commits.
	Agrees func(t *testing.T)
}

var errKilled = errors.New("killed")

// maxReads is more than any part reads of the log for one change.
const maxReads = 12

// Faults takes parts that newSubject makes through what can happen to a follower: each
// read of the log fails, with a restart and without one; the log is pruned before it was
// read, and is replaced by a shorter one. No wake-up ever comes.
func Faults(t *testing.T, newSubject func(t *testing.T) Subject) {
	for _, restarted := range []bool{false, true} {
		t.Run(fmt.Sprintf("a read fails, restarted %v", restarted), func(t *testing.T) {
			for n := range maxReads {
				s := newSubject(t)
				catchUp := s.Start()
				killed := s.through(t, n, restarted, &catchUp)
				if !killed {
					require.Positive(t, n, "it does not read the log")
					return
				}
			}
			require.Fail(t, "it reads the log without end")
		})
	}
	for name, keep := range map[string]int{"all that it lacks": 0, "the older half of what it lacks": 2} {
		t.Run("the log was pruned of "+name, func(t *testing.T) {
			s := newSubject(t)
			catchUp := s.Start()
			s.Commit()
			require.NoError(t, catchUp(t.Context()))
			for range 3 {
				s.Commit()
			}
			s.Log.Prune(keep)
			require.NoError(t, catchUp(t.Context()))
			s.Agrees(t)
			s.Commit()
			require.NoError(t, catchUp(t.Context()), "it goes on from there")
			s.Agrees(t)
		})
	}
	t.Run("the log is another one", func(t *testing.T) {
		s := newSubject(t)
		catchUp := s.Start()
		for range 3 {
			s.Commit()
		}
		require.NoError(t, catchUp(t.Context()))
		s.Log.Replace()
		s.Commit()
		require.NoError(t, catchUp(t.Context()))
		s.Agrees(t)
	})
}

// through has the n-th read of the log fail, and says whether it came to that.
func (s Subject) through(t *testing.T, n int, restarted bool, catchUp *func(context.Context) error) (killed bool) {
	t.Helper()
	s.Log.FailAfter(n, errKilled)
	for range 2 {
		s.Commit()
		if err := (*catchUp)(t.Context()); err != nil {
			require.ErrorIs(t, err, errKilled)
			killed = true
			break
		}
	}
	s.Log.Fail(nil)
	s.Commit()
	if restarted {
		*catchUp = s.Start()
	}
	require.NoError(t, (*catchUp)(t.Context()))
	s.Agrees(t)
	return killed
}

var _ changelog.Log = (*Log)(nil)
