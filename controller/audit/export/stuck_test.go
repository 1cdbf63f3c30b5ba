package export_test

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

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
)

// gate is a sink that refuses, hangs, or takes what it gets.
type gate struct {
	refuses, hangs atomic.Bool
}

func (g *gate) Deliver(ctx context.Context, _ export.Batch) error {
	if g.hangs.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	if g.refuses.Load() {
		return errors.New("no space left on device")
	}
	return nil
}

func (*gate) Close() error { return nil }

func TestASinkThatIsStuckIsSeen(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		stick func(*gate)
		want  string
	}{
		"because it refuses": {func(g *gate) { g.refuses.Store(true) }, "no space left on device"},
		"because it hangs":   {func(g *gate) { g.hangs.Store(true) }, "it does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				l, bad := newLog(1), &gate{}
				core, logs := observer.New(zap.InfoLevel)
				e := export.New(export.Config{Store: l, Head: l, Sinks: map[string]export.Sink{"file": bad, "webhook": &gate{}}, Log: zap.New(core)})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- e.Run(ctx) }()
				<-time.After(time.Hour)
				require.NoError(t, e.Stuck(), "all is delivered")

				tc.stick(bad)
				l.grow(1)
				since := time.Now()
				<-time.After(50 * time.Second)
				require.NoError(t, e.Stuck(), "a receiver that restarts is no fault")
				<-time.After(time.Hour)
				err := e.Stuck()
				require.ErrorContains(t, err, "nothing was delivered to file since ")
				require.ErrorContains(t, err, tc.want)
				require.NotContains(t, err.Error(), "webhook")
				states := e.States()
				require.Equal(t, "file", states[0].Sink)
				require.WithinDuration(t, since, states[0].WaitingSince, 10*time.Second)
				require.Zero(t, states[1].WaitingSince)
				require.LessOrEqual(t, logs.FilterMessage("audit export failed, retrying").Len(), 7, "once, then at growing intervals")

				if bad.refuses.Swap(false) {
					<-time.After(2 * time.Minute)
					require.NoError(t, e.Stuck())
					require.Zero(t, e.States()[0].WaitingSince)
					require.Equal(t, 1, logs.FilterMessage("audit export works again").Len())
				}
				cancel()
				require.NoError(t, <-done)
			})
		})
	}
}
