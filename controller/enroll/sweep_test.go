package enroll_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
)

// TestTokensThatEndedLongAgoAreForgotten: also by the program itself, which prunes when
// it begins.
func TestTokensThatEndedLongAgoAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.token(t, enroll.TokenRequest{Workload: connector})
	kept := func() int {
		all, err := enrolltest.Tokens(t.Context(), w)
		require.NoError(t, err)
		return len(all)
	}
	w.clock.Advance(90 * 24 * time.Hour)
	require.NoError(t, w.Prune(t.Context()))
	require.Equal(t, 1, kept(), "it expired later than it was made")
	w.clock.Advance(enroll.DefaultTTL + time.Second)

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	require.Eventually(t, func() bool { return kept() == 0 }, 20*time.Second, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-ended)
}
