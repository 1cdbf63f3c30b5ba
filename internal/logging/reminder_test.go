package logging_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

func TestAConditionIsSaidOnceThenAtGrowingIntervals(t *testing.T) {
	t.Parallel()
	var r logging.Reminder
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var said []time.Duration
	for at := time.Duration(0); at <= 5*time.Hour; at += time.Second {
		if due, times := r.Due(began.Add(at)); due {
			said = append(said, at)
			require.Equal(t, int(at/time.Second)+1, times)
		}
	}
	m := time.Minute
	require.Equal(t, []time.Duration{0, m, 3 * m, 7 * m, 15 * m, 31 * m, 63 * m, 123 * m, 183 * m, 243 * m}, said)
	require.Equal(t, began, r.Began())
}

func TestAConditionThatIsOverIsSaidAgainWhenItReturns(t *testing.T) {
	t.Parallel()
	var r logging.Reminder
	now := time.Now()
	require.False(t, r.Over(), "it never held")
	due, _ := r.Due(now)
	require.True(t, due)
	require.True(t, r.Over())
	require.False(t, r.Over())
	due, times := r.Due(now)
	require.True(t, due)
	require.Equal(t, 1, times)
}
