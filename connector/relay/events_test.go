package relay_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// told is a connector whose events a test reads.
type told struct {
	*world
	refused, ended, control chan string
	stream                  *fakeStream
}

func newTold(t *testing.T, opts ...option) *told {
	t.Helper()
	w := &told{refused: make(chan string, 64), ended: make(chan string, 64), control: make(chan string, 64)}
	into := func(c chan string) func(string) { return func(reason string) { c <- reason } }
	ca := mtlstest.NewCA(t, td)
	c := startController(t, ca, anyAddress, controllerID)
	w.world = startConnector(t, ca, c.addr, append(opts, func(c *relay.Config) {
		c.Events = relay.Events{SessionRefused: into(w.refused), SessionEnded: into(w.ended), ControlEnded: into(w.control)}
	})...)
	w.stream = c.next(t)
	w.stream.hello(t)
	return w
}

func (w *told) policy(t *testing.T, revision uint64, ids ...string) {
	t.Helper()
	w.stream.policy(t, revision, ids...)
	w.stream.applied(t, revision)
}

func next(t *testing.T, events chan string) string {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(soon):
		require.FailNow(t, "no event")
		return ""
	}
}

func TestSessionsSayWhyTheyAreRefused(t *testing.T) {
	t.Parallel()
	w := newTold(t)
	laptop := func() error {
		_, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
		return err
	}
	require.Error(t, laptop())
	require.Equal(t, "no_policy", next(t, w.refused))
	w.policy(t, 1, phoneID)
	require.Error(t, laptop())
	require.Equal(t, "not_named", next(t, w.refused))
	require.Subset(t, relay.RefusalReasons(), []string{"no_policy", "not_named"})
	require.Empty(t, w.ended, "what never began does not end")
	require.Zero(t, w.relay.Status().Sessions)
}

func TestSessionsSayWhyTheyEnd(t *testing.T) {
	t.Parallel()
	for want, end := range map[string]func(t *testing.T, w *told, s *tunnel){
		"closed":   func(t *testing.T, _ *told, s *tunnel) { t.Helper(); require.NoError(t, s.CloseSend()) },
		"revoked":  func(t *testing.T, w *told, _ *tunnel) { t.Helper(); w.policy(t, 2) },
		"replaced": func(t *testing.T, w *told, _ *tunnel) { t.Helper(); w.attach(t, "laptop") },
		"stopping": func(_ *testing.T, w *told, _ *tunnel) { w.stop() },
		"protocol": func(_ *testing.T, _ *told, s *tunnel) { s.id = "phone"; _ = s.beat() },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			w := newTold(t)
			w.policy(t, 1, laptopID)
			s := w.attach(t, "laptop")
			require.Equal(t, 1, w.relay.Status().Sessions)
			end(t, w, s)
			require.Equal(t, want, next(t, w.ended))
			require.Contains(t, relay.EndReasons(), want)
			require.Empty(t, w.refused)
		})
	}
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		w := newTold(t, func(c *relay.Config) { c.Timing.SessionIdle = 50 * time.Millisecond })
		w.policy(t, 1, laptopID)
		w.attach(t, "laptop")
		require.Equal(t, "idle", next(t, w.ended))
	})
	t.Run("no_policy", func(t *testing.T) {
		t.Parallel()
		w := newTold(t, func(c *relay.Config) { c.Timing.PolicyAge = time.Second })
		w.policy(t, 1, laptopID)
		w.attach(t, "laptop")
		w.stream.hang <- status.Error(codes.Unavailable, "the controller goes") // its next stream gets no policy
		require.Equal(t, "no_policy", next(t, w.ended))
	})
	t.Run("lost", func(t *testing.T) {
		t.Parallel()
		w := newTold(t)
		w.policy(t, 1, laptopID)
		l := w.join(t, true)
		w.stream.report(t, "laptop", false)
		l.link.Close(fmt.Errorf("the cable: %w", context.Canceled))
		require.Error(t, <-l.over)
		require.Equal(t, "lost", next(t, w.ended))
	})
}

func TestStatusFollowsTheControlStream(t *testing.T) {
	t.Parallel()
	w := newTold(t)
	st := w.relay.Status()
	require.Zero(t, st.PolicyRevision)
	require.True(t, st.PolicyConfirmed.IsZero(), "no controller stood behind any")
	w.policy(t, 3, laptopID)
	require.Eventually(t, func() bool { return w.relay.Status().ControlUp }, soon, time.Millisecond)
	st = w.relay.Status()
	require.Equal(t, uint64(3), st.PolicyRevision)
	require.WithinDuration(t, time.Now(), st.PolicyConfirmed, 5*time.Second)

	l := w.join(t, true)
	w.stream.report(t, "laptop", false)
	l.own.Swap(w.ca.SVID(t, laptopID))
	require.Eventually(t, func() bool { return w.relay.Status().SessionReproofs.Accepted == 1 }, soon, time.Millisecond)
	require.Zero(t, w.relay.Status().ControlReproofs.Accepted, "the controller proved nothing again")

	w.stream.hang <- fmt.Errorf("bye")
	require.Contains(t, controlclient.Reasons(), next(t, w.control))
	w.policyEnd(t, l)
}

// policyEnd lets the session end before the goroutines are counted.
func (w *told) policyEnd(t *testing.T, l *laptop) {
	t.Helper()
	w.stop()
	require.Error(t, <-l.over)
}

func TestARelayLivesWithoutAControllerAndNotAfterItsEnd(t *testing.T) {
	t.Parallel()
	w := startConnector(t, mtlstest.NewCA(t, td), "127.0.0.1:1")
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	require.NoError(t, w.relay.Alive(ctx))
	w.stop()
	cancel()
	require.ErrorIs(t, w.relay.Alive(ctx), health.ErrHangs)
}
