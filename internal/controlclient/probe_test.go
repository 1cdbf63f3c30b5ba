package controlclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
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

var errAway = status.Error(codes.Unavailable, "connection refused")

// site is a network in the fake time of a bubble: addresses that answer, refuse or
// swallow what is sent to them.
type site struct {
	begin time.Time

	mu     sync.Mutex
	up     map[string]chan struct{} // closed when it goes down
	lost   map[string]bool          // swallow
	probes []time.Duration
	probed []string
	tries  []time.Duration
	back   []time.Duration
}

func newSite() *site {
	return &site{begin: time.Now(), up: map[string]chan struct{}{}, lost: map[string]bool{}}
}

func (s *site) set(addr string, up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if down := s.up[addr]; down != nil {
		close(down)
		delete(s.up, addr)
	}
	if up {
		s.up[addr] = make(chan struct{})
	}
}

// reach is what TCP and TLS at the address do.
func (s *site) reach(ctx context.Context, addr string, limit time.Duration) (down <-chan struct{}, err error) {
	s.mu.Lock()
	up, lost := s.up[addr], s.lost[addr]
	s.mu.Unlock()
	if lost {
		select {
		case <-time.After(limit):
		case <-ctx.Done():
		}
	}
	if up == nil {
		return nil, errAway
	}
	return up, nil
}

// counts are how many streams were tried and addresses probed until now.
func (s *site) counts() (tries, probes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tries), len(s.probes)
}

func (s *site) probe(ctx context.Context, addr string) error {
	s.mu.Lock()
	s.probes, s.probed = append(s.probes, time.Since(s.begin)), append(s.probed, addr)
	s.mu.Unlock()
	_, err := s.reach(ctx, addr, time.Hour)
	return err
}

// serve is a stream that lives as long as its address is up.
func (s *site) serve(ctx context.Context, conn *grpc.ClientConn, established func()) error {
	addr := conn.Target()[len("passthrough:///"):]
	s.mu.Lock()
	s.tries = append(s.tries, time.Since(s.begin))
	s.mu.Unlock()
	down, err := s.reach(ctx, addr, 10*time.Second)
	if err != nil {
		return err
	}
	established()
	s.mu.Lock()
	s.back = append(s.back, time.Since(s.begin))
	s.mu.Unlock()
	select {
	case <-down:
		return errAway
	case <-ctx.Done():
		return ctx.Err()
	}
}

// peers runs n clients with real randomness until stop.
func (s *site) peers(t *testing.T, n int, serve controlclient.Serve, addresses ...string) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range n {
		c, err := controlclient.New(controlclient.Config{
			Addresses: addresses[:1], Learned: controlclient.Learned{Addresses: addresses[1:], ConfirmedAt: time.Now()},
			TLS: &tls.Config{MinVersion: tls.VersionTLS13}, Serve: serve, Probe: s.probe, Log: zap.NewNop(),
			Reproof: func(ctx context.Context, _ *grpc.ClientConn, use func(context.Context) error) error { return use(ctx) },
		})
		require.NoError(t, err)
		running.Go(func() { _ = c.Run(ctx) })
	}
	return func() { cancel(); running.Wait() }
}

// TestAFleetHealsWithin30SecondsOfItsControllerBeingRightAgain: after an outage of
// three minutes the waits alone are up to a minute.
//
// Its randomness is real, so its limits are far from what chance does. Probes have one
// peer in ten back in a second, and attempts one in thirty more at most: within half a
// second p <= 0.07 of the fleet. That more than a quarter of n peers are in one of the n
// windows of half a second which begin with a return has a probability of at most
// n*exp(-n*D(0.25||p)), Chernoff's bound, where D(a||p) = a*ln(a/p) + (1-a)*ln((1-a)/(1-p)):
// 5e-12 for n = 200 (with 15 of 100 it was seen). In five seconds at most 0.67 of the fleet
// come back: that it is the middle 90 % has at most 200*exp(-200*D(0.9||0.67)) = 4e-11.
// Four cases together are below 1e-9. Whoever returns in step is in one window.
func TestAFleetHealsWithin30SecondsOfItsControllerBeingRightAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		learned []string
		lost    bool
	}{
		"with the configured address alone":             {nil, false},
		"with a learned address that refuses":           {[]string{"typo:1"}, false},
		"with a learned address that swallows all":      {[]string{"typo:1"}, true},
		"with as many learned addresses as a peer gets": {[]string{"t1:1", "t2:1", "t3:1", "t4:1", "t5:1", "t6:1", "t7:1", "t8:1"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const fleet = 200
				s := newSite()
				for _, a := range tc.learned {
					s.lost[a] = tc.lost
				}
				s.set("right:1", true)
				stop := s.peers(t, fleet, s.serve, append([]string{"right:1"}, tc.learned...)...)
				elapse(time.Minute)
				s.set("right:1", false)
				elapse(3 * time.Minute)
				require.Len(t, s.back, fleet)

				right := time.Since(s.begin)
				s.set("right:1", true)
				elapse(30 * time.Second)
				back := s.back[fleet:]
				require.Len(t, back, fleet, "not everybody is back within 30 s")
				slices.Sort(back)
				middle := back[fleet*95/100] - back[fleet*5/100]
				t.Logf("back after %s to %s, the middle 90 %% within %s", back[0]-right, back[fleet-1]-right, middle)
				require.GreaterOrEqual(t, middle, 5*time.Second, "the fleet comes back in step")
				require.LessOrEqual(t, most(back, 500*time.Millisecond), fleet/4, "the fleet comes back in step")
				stop()
			})
		})
	}
}

// most is how many of the times are within one width of each other.
func most(sorted []time.Duration, width time.Duration) (n int) {
	for i, from := range sorted {
		j, _ := slices.BinarySearch(sorted, from+width)
		n = max(n, j-i)
	}
	return n
}

func TestProbesCostAPeerLittle(t *testing.T) {
	t.Parallel()
	t.Run("one round in ten seconds while it is away", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite()
			stop := s.peers(t, 20, s.serve, "right:1")
			elapse(20 * time.Minute)
			stop()
			perMinute := float64(len(s.probes)) / 20 / 20
			require.InDelta(t, 6, perMinute, 1)
		})
	})
	t.Run("ever fewer when it answers probes and takes no stream", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite()
			s.set("right:1", true)
			stop := s.peers(t, 20, func(context.Context, *grpc.ClientConn, func()) error {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.tries = append(s.tries, time.Since(s.begin))
				return errAway
			}, "right:1")
			elapse(5 * time.Minute)
			before, probes := s.counts()
			elapse(20 * time.Minute)
			stop()
			require.LessOrEqual(t, float64(len(s.tries)-before)/20/20, 4.0, "attempts a minute")
			require.LessOrEqual(t, float64(len(s.probes)-probes)/20/20, 1.5, "probes a minute")
		})
	})
	t.Run("none while there is a stream", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := newSite()
			s.set("right:1", true)
			stop := s.peers(t, 10, s.serve, "right:1")
			elapse(20 * time.Minute)
			stop()
			require.Empty(t, s.probes)
		})
	})
	for name, err := range map[string]error{
		"none after it refused us":              status.Error(codes.PermissionDenied, "revoked"),
		"none after it took a newer stream":     status.Error(codes.Aborted, "replaced"),
		"none after it asked to be left alone":  &controlclient.RetryAfter{Delay: time.Minute, Reason: "drain"},
		"none after an end that says no reason": errors.New("the stream ended"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite()
				s.set("right:1", true)
				stop := s.peers(t, 10, func(context.Context, *grpc.ClientConn, func()) error { return err }, "right:1")
				elapse(20 * time.Minute)
				stop()
				require.Empty(t, s.probes)
			})
		})
	}
}

// TestAProbeKeepsTheTimeThatThePeerAskedFor, at the other addresses too.
func TestAProbeKeepsTheTimeThatThePeerAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.set("right:1", true)
		s.set("other:1", true)
		var tries atomic.Int32
		stop := s.peers(t, 1, func(ctx context.Context, _ *grpc.ClientConn, established func()) error {
			established()
			if tries.Add(1) == 1 {
				return &controlclient.RetryAfter{Delay: 5 * time.Minute, Reason: "drain"}
			}
			<-ctx.Done()
			return ctx.Err()
		}, "right:1", "other:1")
		elapse(5*time.Minute - time.Second)
		_, probes := s.counts()
		require.Zero(t, probes)
		require.EqualValues(t, 1, tries.Load())
		elapse(5 * time.Second)
		require.EqualValues(t, 2, tries.Load())
		stop()
	})
}

// TestProbesGoRoundTheUnreachableAddresses: one that swallows packets does not keep
// the others from their turn.
func TestProbesGoRoundTheUnreachableAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.lost["b:1"], s.lost["c:1"] = true, true
		stop := s.peers(t, 1, s.serve, "a:1", "b:1", "c:1")
		elapse(10 * time.Minute)
		stop()
		count := map[string]int{}
		for _, a := range s.probed {
			count[a]++
		}
		require.Len(t, count, 3)
		for a, n := range count {
			require.Greater(t, n, 20, a)
		}
	})
}
