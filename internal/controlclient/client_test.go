package controlclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// attempts records what a client dialed and when, in the fake time of a bubble.
type attempts struct {
	start time.Time
	mu    sync.Mutex
	at    []time.Duration
	addrs []string
}

func (a *attempts) add(conn *grpc.ClientConn) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.at = append(a.at, time.Since(a.start))
	a.addrs = append(a.addrs, conn.Target())
	return len(a.at)
}

var errDown = errors.New("connection refused")

// start runs a client whose n-th attempt (from 1) is served by serve, with no
// randomness: every wait is its ceiling.
func start(t *testing.T, cfg controlclient.Config, serve func(ctx context.Context, n int, established func()) error) (*controlclient.Client, *attempts, func()) {
	t.Helper()
	seen := &attempts{start: time.Now()}
	cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	cfg.Reproof = func(ctx context.Context, _ *grpc.ClientConn, use func(context.Context) error) error { return use(ctx) }
	cfg.Jitter = func(ceiling time.Duration) time.Duration { return ceiling }
	if cfg.Probe == nil {
		cfg.Probe = func(context.Context, string) error { return errDown }
	}
	cfg.Serve = func(ctx context.Context, conn *grpc.ClientConn, established func()) error {
		return serve(ctx, seen.add(conn), established)
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	c, err := controlclient.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	return c, seen, func() { cancel(); require.NoError(t, <-done) }
}

func seconds(s ...float64) []time.Duration {
	var out []time.Duration
	for _, x := range s {
		out = append(out, time.Duration(x*float64(time.Second)))
	}
	return out
}

// elapse lets fake time pass.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestClientRetries(t *testing.T) {
	t.Parallel()
	two := []string{"a:1", "b:2"}
	t.Run("with growing waits, at the next address each time", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, seen, stop := start(t, controlclient.Config{Addresses: two}, func(context.Context, int, func()) error { return errDown })
			elapse(4 * time.Second)
			stop()
			require.Equal(t, seconds(0, 0.25, 0.75, 1.75, 3.75), seen.at)
			require.Equal(t, []string{
				"passthrough:///a:1", "passthrough:///b:2", "passthrough:///a:1", "passthrough:///b:2", "passthrough:///a:1",
			}, seen.addrs)
		})
	})
	t.Run("without a reset after a stream that lived for less than 30 s", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, seen, stop := start(t, controlclient.Config{Addresses: two}, func(_ context.Context, _ int, established func()) error {
				established()
				elapse(29 * time.Second)
				return errDown
			})
			elapse(60 * time.Second)
			stop()
			require.Equal(t, seconds(0, 29.25, 58.75), seen.at)
		})
	})
	t.Run("from the start after a stream that lived for 30 s", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, seen, stop := start(t, controlclient.Config{Addresses: two}, func(_ context.Context, _ int, established func()) error {
				established()
				elapse(30 * time.Second)
				return errDown
			})
			elapse(61 * time.Second)
			stop()
			require.Equal(t, seconds(0, 30.25, 60.5), seen.at)
		})
	})
	t.Run("when the peer accepts the stream and never answers, without a reset", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, seen, stop := start(t, controlclient.Config{Addresses: two}, func(ctx context.Context, _ int, _ func()) error {
				<-ctx.Done()
				return ctx.Err()
			})
			elapse(41 * time.Second)
			require.ErrorContains(t, c.Status().LastError, "did not answer")
			stop()
			require.Equal(t, seconds(0, 20.25, 40.75), seen.at)
		})
	})
}

func TestClientHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		asked time.Duration
		next  float64
	}{
		"adds its own wait to the peer's":   {asked: 5 * time.Second, next: 5.25},
		"ignores a negative one":            {asked: -time.Hour, next: 0.25},
		"caps one that is out of all range": {asked: 100 * time.Hour, next: 600.25},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kick := make(chan struct{}, 1)
				kick <- struct{}{}
				_, seen, stop := start(t, controlclient.Config{Addresses: []string{"a:1"}, Kick: kick}, func(ctx context.Context, n int, established func()) error {
					established()
					if n == 1 {
						return fmt.Errorf("serve: %w", &controlclient.RetryAfter{Delay: c.asked, Reason: "drain"})
					}
					<-ctx.Done()
					return ctx.Err()
				})
				elapse(700 * time.Second)
				stop()
				require.Equal(t, seconds(0, c.next), seen.at)
			})
		})
	}
}

func TestClientWait(t *testing.T) {
	t.Parallel()
	down := func(context.Context, int, func()) error { return errDown }
	t.Run("ends at once by a kick", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			kick := make(chan struct{}, 1)
			_, seen, stop := start(t, controlclient.Config{Addresses: []string{"a:1"}, Kick: kick}, down)
			elapse(5 * time.Second) // the wait that began at 3.75 s would end at 7.75 s
			kick <- struct{}{}
			synctest.Wait()
			stop()
			require.Equal(t, seconds(0, 0.25, 0.75, 1.75, 3.75, 5), seen.at)
		})
	})
	t.Run("ends at once by new addresses and tries the first", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, seen, stop := start(t, controlclient.Config{Addresses: []string{"a:1", "b:2"}}, down)
			elapse(5 * time.Second)
			c.SetAddresses([]string{"c:3", "d:4"})
			synctest.Wait()
			stop()
			require.Equal(t, "passthrough:///c:3", seen.addrs[len(seen.addrs)-1])
			require.Equal(t, 5*time.Second, seen.at[len(seen.at)-1])
		})
	})
	t.Run("is not cut short by the same addresses again", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, seen, stop := start(t, controlclient.Config{Addresses: []string{"a:1"}}, down)
			elapse(5 * time.Second)
			c.SetAddresses([]string{"a:1"})
			synctest.Wait()
			stop()
			require.Len(t, seen.at, 5)
		})
	})
	t.Run("lasts while there is no address", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, seen, stop := start(t, controlclient.Config{}, down)
			elapse(time.Hour)
			require.Empty(t, seen.at)
			c.SetAddresses([]string{"a:1"})
			synctest.Wait()
			stop()
			require.Equal(t, []time.Duration{time.Hour}, seen.at)
		})
	})
	t.Run("is not cut short by a rotation that came while the stream was up", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			kick := make(chan struct{}, 1)
			_, seen, stop := start(t, controlclient.Config{Addresses: []string{"a:1"}, Kick: kick}, func(_ context.Context, n int, established func()) error {
				if n == 1 {
					established()
					kick <- struct{}{}
					elapse(time.Minute)
				}
				return errDown
			})
			elapse(time.Minute + 100*time.Millisecond)
			stop()
			require.Equal(t, seconds(0), seen.at)
		})
	})
}

func TestStatusIsInPlainEnglish(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _, stop := start(t, controlclient.Config{Addresses: []string{"a:1"}}, func(context.Context, int, func()) error {
			return status.Error(codes.PermissionDenied, "not enrolled, or revoked")
		})
		synctest.Wait()
		require.EqualError(t, c.Status().LastError, "not enrolled, or revoked")
		stop()
	})
}

func TestClientStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		c, _, stop := start(t, controlclient.Config{Addresses: []string{"a:1"}}, func(_ context.Context, n int, established func()) error {
			if n == 2 {
				established()
				elapse(10 * time.Second)
			}
			return errDown
		})
		synctest.Wait()
		require.Equal(t, controlclient.Status{Since: begin, Address: "a:1", LastError: errDown}, c.Status())
		elapse(time.Second)
		require.Equal(t, controlclient.Status{Connected: true, Since: begin.Add(250 * time.Millisecond), Address: "a:1", LastError: errDown}, c.Status())
		elapse(9500 * time.Millisecond)
		require.False(t, c.Status().Connected)
		stop()
	})
}

func TestClientLogsAReasonOncePerChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		_, _, stop := start(t, controlclient.Config{Addresses: []string{"a:1"}, Log: zap.New(core)}, func(_ context.Context, n int, _ func()) error {
			if n <= 4 {
				return fmt.Errorf("dial tcp 127.0.0.1:%d: %w", 40000+n, errDown)
			}
			return errors.New("certificate expired")
		})
		elapse(time.Minute)
		stop()
		require.Equal(t, 2, logs.FilterMessage("stream ended, retrying").Len())
	})
}

func TestNewRefusesAnIncompleteConfig(t *testing.T) {
	t.Parallel()
	_, err := controlclient.New(controlclient.Config{})
	require.Error(t, err)
}

// TestClientSaysWhyEachAttemptEnded: the ends of streams are counted by these.
func TestClientSaysWhyEachAttemptEnded(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"a controller that stops":             {&controlclient.RetryAfter{Delay: time.Second, Reason: "stopping"}, "goodbye"},
		"a connection that is not there":      {status.Error(codes.Unavailable, "connection refused"), "unavailable"},
		"a peer that missed our heartbeats":   {status.Error(codes.DeadlineExceeded, "no heartbeat in time"), "silence"},
		"a revocation":                        {status.Error(codes.PermissionDenied, "revoked"), "refused"},
		"no identity on the connection":       {status.Error(codes.Unauthenticated, "no X509-SVID"), "refused"},
		"a newer stream":                      {status.Error(codes.Aborted, "replaced"), "replaced"},
		"a peer that did not re-prove":        {fmt.Errorf("%w: ended at noon", reproof.ErrNotReproved), "reproof"},
		"a proof of ours that was refused":    {fmt.Errorf("%w: wrong label", reproof.ErrRefused), "reproof"},
		"what nobody thought of":              {errors.New("the stream ended"), "other"},
		"a status that is no reason of ours":  {status.Error(codes.Internal, "bug"), "other"},
		"a refusal wrapped by who dialed":     {fmt.Errorf("watch: %w", status.Error(codes.PermissionDenied, "no")), "refused"},
		"an end without an error of the peer": {nil, "other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var got []string
				_, _, stop := start(t, controlclient.Config{
					Addresses: []string{"a:1"}, Ended: func(reason string) { got = append(got, reason) },
				}, func(context.Context, int, func()) error { return tc.err })
				synctest.Wait()
				stop()
				require.Equal(t, []string{tc.want}, got)
				require.Contains(t, controlclient.Reasons(), tc.want)
			})
		})
	}
	t.Run("a peer that never answers", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var got []string
			_, _, stop := start(t, controlclient.Config{
				Addresses: []string{"a:1"}, Ended: func(reason string) { got = append(got, reason) },
			}, func(ctx context.Context, _ int, _ func()) error { <-ctx.Done(); return ctx.Err() })
			elapse(controlclient.DefaultAnswer)
			stop()
			require.Equal(t, []string{"no_answer"}, got)
		})
	})
	t.Run("but not of one that ended with the program", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			_, _, stop := start(t, controlclient.Config{
				Addresses: []string{"a:1"}, Ended: func(reason string) { t.Error(reason) },
			}, func(ctx context.Context, _ int, established func()) error {
				established()
				<-ctx.Done()
				return ctx.Err()
			})
			synctest.Wait()
			stop()
		})
	})
}
