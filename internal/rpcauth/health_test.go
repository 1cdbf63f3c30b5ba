package rpcauth_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	serving    = healthv1.HealthCheckResponse_SERVING
	notServing = healthv1.HealthCheckResponse_NOT_SERVING
	unknown    = healthv1.HealthCheckResponse_SERVICE_UNKNOWN
)

var errDenied = status.Error(codes.PermissionDenied, "not you")

// fault is what the checks and the policy say.
type fault struct {
	failing, denied atomic.Bool
	asked           atomic.Int32
}

func (f *fault) config(stopping <-chan struct{}) rpcauth.HealthConfig {
	return rpcauth.HealthConfig{
		Services: []string{"zerotrust.v1.TunnelService"}, Stopping: stopping,
		Failing: func(ctx context.Context) error {
			f.asked.Add(1)
			if f.failing.Load() {
				return errors.New("store: locked")
			}
			return ctx.Err()
		},
		Admit: func(context.Context) error {
			if f.denied.Load() {
				return errDenied
			}
			return nil
		},
	}
}

// watch is a Watch without a network.
type watch struct {
	grpc.ServerStream
	ctx  context.Context //nolint:containedctx // as gRPC does it
	sent chan healthv1.HealthCheckResponse_ServingStatus
	end  chan error
}

func (w *watch) Context() context.Context { return w.ctx }

func (w *watch) Send(m *healthv1.HealthCheckResponse) error {
	w.sent <- m.GetStatus()
	return nil
}

func start(ctx context.Context, s *rpcauth.Health, service string) *watch {
	w := &watch{ctx: ctx, sent: make(chan healthv1.HealthCheckResponse_ServingStatus, 16), end: make(chan error, 1)}
	go func() { w.end <- s.Watch(&healthv1.HealthCheckRequest{Service: service}, w) }()
	return w
}

func check(t *testing.T, s *rpcauth.Health, service string) healthv1.HealthCheckResponse_ServingStatus {
	t.Helper()
	got, err := s.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
	require.NoError(t, err)
	return got.GetStatus()
}

func TestStatusFollowsReadiness(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f fault
		stopping := make(chan struct{})
		s := rpcauth.NewHealth(f.config(stopping))
		require.Equal(t, serving, check(t, s, ""))
		require.Equal(t, serving, check(t, s, "zerotrust.v1.TunnelService"))
		f.failing.Store(true)
		<-time.After(time.Second)
		require.Equal(t, notServing, check(t, s, ""))
		list, err := s.List(t.Context(), &healthv1.HealthListRequest{})
		require.NoError(t, err)
		require.Len(t, list.GetStatuses(), 2)
		require.Equal(t, notServing, list.GetStatuses()["zerotrust.v1.TunnelService"].GetStatus())
		f.failing.Store(false)
		<-time.After(time.Second)
		require.Equal(t, serving, check(t, s, ""))
		close(stopping)
		require.Equal(t, notServing, check(t, s, ""), "at once, although the answer is fresh")
	})
}

func TestManyCallersAskTheChecksOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f fault
		s := rpcauth.NewHealth(f.config(nil))
		for range 1000 {
			check(t, s, "")
		}
		require.EqualValues(t, 1, f.asked.Load())
	})
}

func TestACallerThatHangsUpDoesNotSpoilTheAnswerOfOthers(t *testing.T) {
	t.Parallel()
	var f fault
	s := rpcauth.NewHealth(f.config(nil))
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	_, err := s.Check(gone, &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, serving, check(t, s, ""))
}

func TestWatch(t *testing.T) {
	t.Parallel()
	t.Run("tells of each change and of the end", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var f fault
			stopping := make(chan struct{})
			w := start(t.Context(), rpcauth.NewHealth(f.config(stopping)), "")
			require.Equal(t, serving, <-w.sent)
			f.failing.Store(true)
			require.Equal(t, notServing, <-w.sent)
			f.failing.Store(false)
			require.Equal(t, serving, <-w.sent)
			<-time.After(time.Minute)
			require.Empty(t, w.sent, "no change, no message")
			close(stopping)
			require.Equal(t, notServing, <-w.sent)
			require.Equal(t, codes.Unavailable, status.Code(<-w.end), "it does not hold the shutdown up")
		})
	})
	t.Run("ends when the caller is admitted no more", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var f fault
			ctx, cancel := context.WithCancel(t.Context())
			w := start(ctx, rpcauth.NewHealth(f.config(nil)), "")
			<-w.sent
			f.denied.Store(true)
			select {
			case err := <-w.end:
				require.ErrorIs(t, err, errDenied)
			case <-time.After(time.Minute):
				cancel()
				require.Error(t, <-w.end)
				t.Fatal("it still watches")
			}
			cancel()
		})
	})
	t.Run("of an unknown service says so once", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var f fault
			ctx, cancel := context.WithCancel(t.Context())
			w := start(ctx, rpcauth.NewHealth(f.config(nil)), "zerotrust.v1.Nothing")
			require.Equal(t, unknown, <-w.sent)
			<-time.After(time.Minute)
			require.Empty(t, w.sent)
			cancel()
			require.Equal(t, codes.Canceled, status.Code(<-w.end))
		})
	})
	t.Run("is open twice for a caller and not a third time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var f fault
			s := rpcauth.NewHealth(f.config(nil))
			ctx, cancel := context.WithCancel(t.Context())
			first, second := start(ctx, s, ""), start(ctx, s, "")
			<-first.sent
			<-second.sent
			refused := start(ctx, s, "")
			select {
			case err := <-refused.end:
				require.Equal(t, codes.ResourceExhausted, status.Code(err))
			case <-refused.sent:
				t.Error("a third watch is open")
			}
			cancel()
			require.Error(t, <-first.end)
			require.Error(t, <-second.end)
			again, stop := context.WithCancel(t.Context())
			third := start(again, s, "")
			require.Equal(t, serving, <-third.sent, "a place is free again")
			stop()
			require.Error(t, <-third.end)
		})
	})
}

func TestWhoIsNotAdmittedLearnsNothing(t *testing.T) {
	t.Parallel()
	var f fault
	f.denied.Store(true)
	s := rpcauth.NewHealth(f.config(nil))
	for _, service := range []string{"", "zerotrust.v1.TunnelService", "zerotrust.v1.Nothing"} {
		_, err := s.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		require.ErrorIs(t, err, errDenied, "not even which services there are")
		require.ErrorIs(t, <-start(t.Context(), s, service).end, errDenied)
	}
	_, err := s.List(t.Context(), &healthv1.HealthListRequest{})
	require.ErrorIs(t, err, errDenied)
	require.Zero(t, f.asked.Load())
}

func TestAnUnknownServiceIsNotFound(t *testing.T) {
	t.Parallel()
	_, err := rpcauth.NewHealth(rpcauth.HealthConfig{}).Check(t.Context(), &healthv1.HealthCheckRequest{Service: "x"})
	require.Equal(t, codes.NotFound, status.Code(err))
}
