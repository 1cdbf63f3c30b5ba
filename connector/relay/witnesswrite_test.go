package relay_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

func onDisk(t *testing.T, dir string) int64 {
	t.Helper()
	f, err := witness.Load(filepath.Join(dir, witness.FileName))
	require.NoError(t, err)
	kept, err := f.Kept()
	require.NoError(t, err)
	return kept.Checkpoint.Size
}

// TestTheWitnessIsWrittenOnceAMinuteWhileTheLogOnlyGrows: each write is an fsync. What
// decides something is written at once.
func TestTheWitnessIsWrittenOnceAMinuteWhileTheLogOnlyGrows(t *testing.T) {
	t.Parallel()
	var writes atomic.Int32
	w, c, s, log, dir := audited(t, func(cfg *relay.Config) {
		cfg.Saved = func(file string, err error) {
			if file == witness.FileName && err == nil {
				writes.Add(1)
			}
		}
	})
	require.EqualValues(t, 1, writes.Load(), "the first look is written at once")
	size := int64(5)
	grow := func() {
		log = log.With(t, fmt.Sprint("event ", size))
		s.shows(t, log.Offer(t, size), size+1)
		size++
	}
	for revision := range uint64(10) { // each policy is covered by the checkpoint after it
		s.policy(t, revision+2, laptopID)
		s.applied(t, revision+2)
		grow()
	}
	require.EqualValues(t, 1, writes.Load())
	require.EqualValues(t, 5, onDisk(t, dir), "a file that lags is an older witness of the same log")

	s.hang <- errors.New("the controller ends")
	require.Eventually(t, func() bool { return writes.Load() == 2 }, soon, time.Millisecond)
	require.EqualValues(t, 15, onDisk(t, dir), "a controller with an older database finds it on the disk")
	s = c.next(t)
	require.Equal(t, uint64(15), s.hello(t).GetAuditWitnessedSize())

	grow()
	require.NotEmpty(t, s.show(t, log.Empty().With(t, "z").Offer(t, 0)).GetFailure())
	require.EqualValues(t, 3, writes.Load(), "a failure is written at once, with what was witnessed before")
	require.EqualValues(t, 16, onDisk(t, dir))
	grow()
	require.EqualValues(t, 4, writes.Load(), "so is its end")

	grow()
	require.EqualValues(t, 4, writes.Load())
	w.stop()
	require.EqualValues(t, 5, writes.Load(), "and the rest when the connector stops")
	require.EqualValues(t, 18, onDisk(t, dir))
}

func TestTheWitnessIsWrittenWhenItsMinuteIsOver(t *testing.T) {
	t.Parallel()
	_, _, s, log, dir := audited(t, func(c *relay.Config) { c.Timing.WitnessWrite = 100 * time.Millisecond })
	for size := int64(5); size < 9; size++ {
		log = log.With(t, fmt.Sprint(size))
		s.shows(t, log.Offer(t, size), size+1)
	}
	require.Eventually(t, func() bool { return onDisk(t, dir) == 9 }, soon, 5*time.Millisecond, "though nothing came after it")
}
