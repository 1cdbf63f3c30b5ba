package app_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// TestControllerReadyIsSaidWhenReadyzSaysSo: scripts wait for the line, or for systemd.
func TestControllerReadyIsSaidWhenReadyzSaysSo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		readyAfter time.Duration
		told       time.Duration // when systemd is told
		warned     int
	}{
		"at once":                        {0, 0, 0},
		"after the first round":          {2 * time.Second, 2 * time.Second, 0},
		"after the operator mended it":   {time.Hour, 10 * time.Second, 6},
		"while something takes a moment": {11 * time.Second, 10 * time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				core, logs := observer.New(zap.InfoLevel)
				var checks health.Checks
				begun := time.Now()
				var probes atomic.Int64
				checks.Register("spire_entries", func(context.Context) error {
					probes.Add(1)
					if time.Since(begun) < tc.readyAfter {
						return errors.New("not yet those of the domain")
					}
					return nil
				})
				told := make(chan struct{})
				ended := make(chan error, 1)
				go func() {
					ended <- app.Announce(t.Context(), &checks, zap.New(core), func() { zap.New(core).Info("controller ready") }, told)
				}()
				<-told
				require.InDelta(t, tc.told.Seconds(), time.Since(begun).Seconds(), 1)
				require.NoError(t, <-ended)
				require.GreaterOrEqual(t, time.Since(begun), tc.readyAfter)
				require.LessOrEqual(t, time.Since(begun), tc.readyAfter+5*time.Second)
				require.LessOrEqual(t, probes.Load(), int64(55+tc.readyAfter/(5*time.Second)), "one that running but not ready for long does not wear itself out")
				require.True(t, checks.Report(t.Context()).Ready)
				require.Equal(t, 1, logs.FilterMessage("controller ready").Len())
				warned := logs.FilterMessageSnippet("running but not ready")
				require.Equal(t, tc.warned, warned.Len())
				for _, w := range warned.All() {
					require.Equal(t, "not ready: spire_entries: not yet those of the domain", w.ContextMap()["reason"])
				}
			})
		})
	}
}

func TestAControllerThatIsStoppedEarlyIsNeverCalledReady(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.InfoLevel)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var checks health.Checks
	checks.Set("identity", errors.New("none"))
	require.NoError(t, app.Announce(ctx, &checks, zap.New(core), func() { zap.New(core).Info("controller ready") }, make(chan struct{})))
	require.Zero(t, logs.Len())
}
