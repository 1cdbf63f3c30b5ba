package adversary_test

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
)

var errDown = errors.New("connection refused")

// try is what becomes of the n-th attempt, from 1, at this address.
type try func(ctx context.Context, n int, addr string, established func()) error

// attempts are the times of a client's attempts since the start of the bubble.
type attempts struct {
	mu sync.Mutex
	at []time.Duration
}

func (a *attempts) all() []time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]time.Duration(nil), a.at...)
}

// reconnect runs a client in a bubble until the end of the test. It needs no
// certificate: what it dials is the test's.
func reconnect(t *testing.T, cfg controlclient.Config, serve try) (*controlclient.Client, *attempts) {
	t.Helper()
	seen, start := &attempts{}, time.Now()
	// No probe finds anybody: the one of TLS would ask the resolver, in a bubble.
	cfg.Probe = func(context.Context, string) error { return errDown }
	cfg.TLS, cfg.Log = &tls.Config{MinVersion: tls.VersionTLS13}, zap.NewNop()
	cfg.Reproof = func(ctx context.Context, _ *grpc.ClientConn, use func(context.Context) error) error { return use(ctx) }
	cfg.Serve = func(ctx context.Context, conn *grpc.ClientConn, established func()) error {
		seen.mu.Lock()
		seen.at = append(seen.at, time.Since(start))
		n := len(seen.at)
		seen.mu.Unlock()
		return serve(ctx, n, conn.Target(), established)
	}
	c, err := controlclient.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return c, seen
}

// stay answers and keeps the stream until the client ends it.
func stay(ctx context.Context, established func()) error {
	established()
	<-ctx.Done()
	return ctx.Err()
}

// ziti #3769, netbird #1361: after an outage of the controller agents were wedged
// until somebody restarted them. Each of these answers has wedged one.
func TestNoAnswerOfAControllerWedgesAnAgent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := []error{
			nil, // accepts the stream, and never says a word
			status.Error(codes.Canceled, "the controller is stopping"),
			status.Error(codes.PermissionDenied, "not enrolled, or revoked"), // its database is being restored
			status.Error(codes.Unimplemented, "an older controller"),
			status.Error(codes.Unauthenticated, "tls: bad certificate"),
			&controlclient.RetryAfter{Delay: 1000 * time.Hour, Reason: "a wrong clock"},
			errDown,
		}
		c, _ := reconnect(t, controlclient.Config{Addresses: []string{"a:1"}}, func(ctx context.Context, n int, _ string, established func()) error {
			switch {
			case n > len(answers):
				return stay(ctx, established)
			case answers[n-1] == nil:
				<-ctx.Done()
				return ctx.Err()
			}
			return answers[n-1]
		})
		elapse(30 * time.Minute)
		require.True(t, c.Status().Connected, "%v", c.Status().LastError)
	})
}

// Thundering herds: whoever lost the same controller in the same second must not
// come back in step.
func TestAHerdDoesNotReturnInStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const many, bucket = 200, 500 * time.Millisecond
		var herd []*attempts
		for range many {
			_, seen := reconnect(t, controlclient.Config{Addresses: []string{"a:1"}}, func(context.Context, int, string, func()) error { return errDown })
			herd = append(herd, seen)
		}
		elapse(time.Minute)
		counts, fullest, all := map[time.Duration]int{}, 0, 0
		for _, seen := range herd {
			for _, at := range seen.all() {
				if at < 10*time.Second {
					continue
				}
				counts[at/bucket]++
				fullest, all = max(fullest, counts[at/bucket]), all+1
			}
		}
		require.NotZero(t, all)
		require.Less(t, fullest, all/5, "within %s, of %d", bucket, all)
	})
}

// OpenZiti resets the delay only when a link has survived: one that is accepted and
// dropped again and again must not be tried at full speed for ever.
func TestAStreamThatDiesYoungDoesNotResetTheDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const young = 5 * time.Second
		longest := func(ceiling time.Duration) time.Duration { return ceiling }
		_, seen := reconnect(t, controlclient.Config{Addresses: []string{"a:1"}, Jitter: longest}, func(_ context.Context, _ int, _ string, established func()) error {
			established()
			<-time.After(young)
			return errDown
		})
		elapse(10 * time.Minute)
		at := seen.all()
		require.Greater(t, len(at), 3)
		require.Equal(t, controlclient.MaxWait, at[len(at)-1]-at[len(at)-2]-young)
	})
}

// firezone #8551: 50 s until the second relay was tried.
func TestTheSecondControllerIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, _ := reconnect(t, controlclient.Config{Addresses: []string{"dead:1", "live:2"}}, func(ctx context.Context, _ int, addr string, established func()) error {
			if addr != "passthrough:///live:2" {
				return errDown
			}
			return stay(ctx, established)
		})
		elapse(controlclient.MinWait)
		require.True(t, c.Status().Connected)
	})
}
