package rotation_test

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/crowd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// full is set by make e2e-rotation.
var full = flag.Bool("full", false, "ten rotations under fifty sessions")

const (
	soakRotations  = 10
	soakConnectors = 2
	soakTunnelers  = 50 // each has a session with each connector
	soakHosts      = 2  // of the tunnelers; with the controller and the connectors five agents
)

// TestTenRotationsUnderFiftySessions is the promise at full size, with SPIRE's
// limit of one attestation a second and address in force.
func TestTenRotationsUnderFiftySessions(t *testing.T) {
	if !*full {
		t.Skip("takes five minutes: make e2e-rotation")
	}
	s := newCrowdedSystem(t)
	before := s.all()
	shakes := s.shakeHands()
	var totals []time.Duration
	for round := range soakRotations {
		old, begin := s.active(), time.Now()
		stale := crowd.NewSigner(t, s.Controller).Identity(t, identity.Workload{Kind: identity.KindTunneler, ID: s.tunnelers[0].ID})
		res := s.cli("ca", "rotate", "-o", "json")
		require.Zero(t, res.Code, res.Stderr)
		r := decode[adminapi.Rotation](t, res.Stdout)
		totals = append(totals, r.EndedAt.Sub(r.StartedAt))
		t.Logf("rotation %2d: %s", round+1, phases(r))

		after := s.active()
		require.Equal(t, []string{after}, trusted(s.ca()), "the old root is in nobody's bundle")
		require.NotEqual(t, old, after)
		now := s.all()
		for id, was := range before {
			require.Equal(t, adminapi.Online, now[id].Status, id)
			// A tunneler has one session with each connector; which of them is shown changes.
			require.True(t, now[id].Since.Before(begin), "%s has a stream of %s, opened during the rotation", id, now[id].Since)
			require.Equal(t, after, now[id].SVID.AuthorityID, "%s has an SVID of the new authority", id)
			require.NotEqual(t, was.SVID.Serial, now[id].SVID.Serial, "%s proved a new SVID", id)
		}
		before = now
		for _, addr := range s.addresses {
			require.Error(t, handshake(t.Context(), addr, stale), "an SVID of the old authority that has not expired is refused")
		}
	}
	done, failed := shakes()
	slices.Sort(totals)
	median, p95 := totals[len(totals)/2], totals[len(totals)*95/100]
	t.Logf("%d rotations, %d tunnelers with %d connectors each: 0 streams dropped, %d new handshakes, %d failed, rotation median %.1f s, p95 %.1f s",
		soakRotations, soakTunnelers, soakConnectors, done, failed, median.Seconds(), p95.Seconds())
	require.Zero(t, failed)
	require.LessOrEqual(t, median, 15*time.Second)
	require.LessOrEqual(t, p95, 25*time.Second)
}

// crowded is a system with many tunnelers.
type crowded struct {
	*system
	connectors, tunnelers []*world.Host
	addresses             []string // of the connectors
}

func newCrowdedSystem(t *testing.T) *crowded {
	t.Helper()
	s := &crowded{system: prepareSystem(t)}
	s.boot()
	for i := range soakConnectors {
		h := s.join("connector", fmt.Sprintf("c-%02d", i))
		t.Cleanup(func() { require.NoError(t, h.Stop()) })
		s.connectors = append(s.connectors, h)
		at, err := h.Addresses()
		require.NoError(t, err)
		s.addresses = append(s.addresses, at.Listen)
	}
	for range soakHosts {
		first := s.tunneler(nil)
		for range soakTunnelers/soakHosts - 1 {
			s.tunneler(first)
		}
	}
	return s
}

// tunneler enrolls one more: on a new host, or as a further role on that of first.
func (s *crowded) tunneler(first *world.Host) *world.Host {
	s.t.Helper()
	id := fmt.Sprintf("t-%02d", len(s.tunnelers))
	h := s.NewHost(filepath.Join(s.dir, id), "tunneler", id)
	if first != nil {
		h.Env = []string{"HOST_DIR=" + first.HostDir(), "SPIFFE_ENDPOINT_SOCKET=unix://" + first.Socket()}
	}
	_, err := h.EnrollWithToken(s.t.Context())
	require.NoError(s.t, err)
	if first == nil {
		require.NoError(s.t, h.StartAgent())
	}
	require.NoError(s.t, h.StartProgram())
	s.t.Cleanup(func() { require.NoError(s.t, h.Stop()) })
	s.eventually(soon, id+" ONLINE", func(ctx context.Context) error { return h.Online(ctx, s.api) })
	s.tunnelers = append(s.tunnelers, h)
	return h
}

func (s *crowded) all() map[string]world.Seen {
	s.t.Helper()
	out := map[string]world.Seen{}
	for _, h := range append(slices.Clone(s.connectors), s.tunnelers...) {
		out[h.ID] = s.seen(h)
	}
	return out
}

// shakeHands makes new connections to the connectors all the time, each with an
// SVID signed a moment ago. The function it returns ends it and counts.
func (s *crowded) shakeHands() (stop func() (done, failed int64)) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var g errgroup.Group
	var n, bad atomic.Int64
	g.Go(func() error {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
			own := crowd.NewSigner(s.t, s.Controller).Identity(s.t, identity.Workload{Kind: identity.KindTunneler, ID: s.tunnelers[0].ID})
			for _, addr := range s.addresses {
				n.Add(1)
				if err := handshake(ctx, addr, own); err != nil && ctx.Err() == nil {
					bad.Add(1)
					s.t.Logf("handshake failed: %v", err)
				}
			}
		}
	})
	return func() (int64, int64) {
		cancel()
		_ = g.Wait()
		return n.Load(), bad.Load()
	}
}

// handshake connects as a tunneler and reads, since with TLS 1.3 a client hears of
// its refusal only then.
func handshake(ctx context.Context, addr string, own mtls.Identity) error {
	svid, err := own.GetX509SVID()
	if err != nil {
		return err
	}
	config := mtls.ClientConfig(own, mtls.Kinds(svid.ID.TrustDomain(), identity.KindConnector))
	config.NextProtos = []string{"h2"}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 9)) // the server's SETTINGS
	return err
}
