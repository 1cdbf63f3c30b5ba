package herd_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/bulk"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

const (
	many   = 1000
	bucket = 500 * time.Millisecond
	// outage is long enough that the waits have grown to several seconds.
	outage = 6 * time.Second
	// mostAtOnce and mostInTwo are the shares of the attempts of half an outage that
	// may come within one bucket and within two. A herd in step comes all at once,
	// where its moment is the border of two buckets in both of them.
	mostAtOnce = 0.5
	mostInTwo  = 0.75
)

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

// TestAThousandConnectorsReturnSpreadOutAfterAControllerRestart kills the
// controller and starts it again.
func TestAThousandConnectorsReturnSpreadOutAfterAControllerRestart(t *testing.T) {
	c := worldtest.New(t, "--log-level", "warn")
	bulk.Enroll(t, c.Controller, identity.KindConnector, many)
	c.Connect()

	relays := startAll(t, c.Controller, many)
	allOnline(t, c.API)

	c.Kill()
	killed := time.Now()
	knocks := knocking(t, c.Run.Control, outage)
	restarted := make(chan error, 1)
	go func() { restarted <- c.Start(t.Context()) }()
	back := returns(t, relays, killed)
	require.NoError(t, <-restarted)
	allOnline(t, c.API)

	t.Log("attempts while the controller was away, after the kill")
	full := histogram(t, knocks, bucket, outage/2)
	all := float64(sum(full))
	require.LessOrEqual(t, float64(full[0]), mostAtOnce*all, "the herd knocks in step")
	require.LessOrEqual(t, float64(sum(full[:min(2, len(full))])), mostInTwo*all, "the herd knocks in step")
	t.Log("streams back, after the kill (a busy machine finishes many handshakes at once)")
	histogram(t, back, 4*bucket, 0)
}

// knocking stands in for the controller's port, closes every connection at once
// and tells when they came.
func knocking(t *testing.T, addr string, d time.Duration) []time.Duration {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
	require.NoError(t, err)
	begin := time.Now()
	end := time.AfterFunc(d, func() { _ = lis.Close() })
	defer end.Stop()
	var at []time.Duration
	for {
		conn, err := lis.Accept()
		if err != nil {
			return at
		}
		at = append(at, time.Since(begin))
		_ = conn.Close()
	}
}

// startAll runs n relays until the end of the test.
func startAll(t *testing.T, c *world.Controller, n int) []*relay.Relay {
	t.Helper()
	signer := bulk.NewSigner(t, c)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var g errgroup.Group
	t.Cleanup(func() {
		cancel()
		require.NoError(t, g.Wait())
	})
	relays := make([]*relay.Relay, n)
	for i := range n {
		id := bulk.ID(identity.KindConnector, i)
		own := signer.Identity(t, identity.Workload{Kind: identity.KindConnector, ID: id})
		lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		relays[i], err = relay.New(relay.Config{
			ID: id, TrustDomain: td, Version: "herd", Identity: own, Listener: lis,
			ControlAddresses: []string{c.Run.Control}, PrivateIP: "127.0.0.1", Log: zap.NewNop(),
		})
		require.NoError(t, err)
		g.Go(func() error { return relays[i].Run(ctx) })
	}
	return relays
}

func allOnline(t *testing.T, api *adminclient.Client) {
	t.Helper()
	require.NoError(t, world.Eventually(t.Context(), 90*time.Second, "all ONLINE", func(ctx context.Context) error {
		s, err := api.Status(ctx)
		if err == nil && (s.Connectors.Total != many || s.Connectors.Online != many) {
			err = fmt.Errorf("%d of %d are %s", s.Connectors.Online, s.Connectors.Total, adminapi.Online)
		}
		return err
	}))
}

// returns waits until every relay lost its stream and has one again, and tells
// when after the kill that was.
func returns(t *testing.T, relays []*relay.Relay, killed time.Time) []time.Duration {
	t.Helper()
	lost := make([]bool, many)
	back := make([]time.Duration, many)
	missing := many
	err := world.Eventually(t.Context(), 2*time.Minute, "all are back", func(ctx context.Context) error {
		for i, r := range relays {
			up := r.ControlReady(ctx) == nil
			switch {
			case back[i] != 0:
			case !up:
				lost[i] = true
			case lost[i]:
				back[i] = time.Since(killed)
				missing--
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d are missing", missing)
		}
		return nil
	})
	require.NoError(t, err)
	return back
}

func sum(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// histogram prints the times from after on in buckets of this width, and returns
// the buckets, the fullest first.
func histogram(t *testing.T, times []time.Duration, width, after time.Duration) []int {
	t.Helper()
	counts := map[int]int{}
	first, last := math.MaxInt, 0
	for _, d := range times {
		if d < after {
			continue
		}
		b := int(d / width)
		counts[b]++
		first, last = min(first, b), max(last, b)
	}
	for b := first; b <= last; b++ {
		t.Logf("%6.2f s  %4d  %s", (time.Duration(b) * width).Seconds(), counts[b], strings.Repeat("#", counts[b]/10))
	}
	return slices.SortedFunc(maps.Values(counts), func(a, b int) int { return b - a })
}
