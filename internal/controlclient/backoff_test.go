package controlclient_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
)

func TestBackoffCeilingDoublesToTheMaximum(t *testing.T) {
	t.Parallel()
	b := controlclient.NewBackoff(func(ceiling time.Duration) time.Duration { return ceiling })
	for _, want := range []time.Duration{
		250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second,
		8 * time.Second, 16 * time.Second, 32 * time.Second, time.Minute, time.Minute, time.Minute,
	} {
		require.Equal(t, want, b.Next())
	}
	b.Reset()
	require.Equal(t, controlclient.MinWait, b.Next())
}

func TestBackoffBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := controlclient.NewBackoff(nil)
		ceiling := controlclient.MinWait
		for _, reset := range rapid.SliceOf(rapid.Bool()).Draw(t, "resets") {
			if reset {
				b.Reset()
				ceiling = controlclient.MinWait
			}
			d := b.Next()
			if d < 0 || d > ceiling || d > controlclient.MaxWait {
				t.Fatalf("wait %s outside [0, %s]", d, ceiling)
			}
			ceiling = min(2*ceiling, controlclient.MaxWait)
		}
	})
}

func TestFullJitterUsesTheWholeRange(t *testing.T) {
	t.Parallel()
	low, high := false, false
	for range 1000 {
		d := controlclient.FullJitter(time.Second)
		low = low || d < 100*time.Millisecond
		high = high || d > 900*time.Millisecond
	}
	require.True(t, low && high)
}
