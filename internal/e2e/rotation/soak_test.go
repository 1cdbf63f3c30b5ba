package rotation_test

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/bulk"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// full is set by make e2e-rotation.
var full = flag.Bool("full", false, "ten rotations under a hundred sessions")

const (
	soakRotations  = 10
	soakConnectors = 2
	soakTunnelers  = 50 // each has a session with each connector
	soakHosts      = 2  // of the tunnelers; with the controller and the connectors five agents
	soakProbe      = 100 * time.Millisecond
)

// TestTenRotationsUnderAHundredSessions is the promise at full size, with SPIRE's
// limit of one attestation a second and address in force.
func TestTenRotationsUnderAHundredSessions(t *testing.T) {
	if !*full {
		t.Skip("takes five minutes: make e2e-rotation")
	}
	s := newCrowdedSystem(t)
	begin, members, before := time.Now(), s.all(), s.traffic(time.Time{})
	asked := begin
	var all sums
	shakes := s.shakeHands()
	var times timings
	for round := range soakRotations {
		stale := s.guest(s.signer)
		r := s.rotateUnderLoad(members, stale)
		times.add(r)
		since := asked
		asked = time.Now()
		now := s.traffic(since)
		carried := now.since(before)
		all = all.and(carried)
		t.Logf("rotation %2d: %s; %s", round+1, phases(r), carried)
		now.requireRotated(t, before, s.active())
		before, members = now, s.all()
	}
	all = all.and(s.settled(asked).since(before))
	took := time.Since(begin)
	done, failed := shakes()
	t.Logf("%d rotations, %d tunnelers with %d connectors each, a message every %s: 0 streams dropped, %d new handshakes, %d failed",
		soakRotations, soakTunnelers, soakConnectors, soakProbe, done, failed)
	t.Logf("all: %s; %.0f/s", all, float64(all.Acknowledged)/took.Seconds())
	t.Logf("%s", times)
	require.Zero(t, failed)
	require.Zero(t, all.Streams)
	require.Zero(t, all.Lost)
	require.Zero(t, all.Disordered)
	require.LessOrEqual(t, times.median(), 10*time.Second)
	require.LessOrEqual(t, times.p95(), 25*time.Second)
}

// rotateUnderLoad rotates once. As soon as it is done, nobody may trust the old
// root or take stale, an SVID of it, and the controller must see everybody as it
// did before, with a new SVID.
func (s *crowded) rotateUnderLoad(before map[string]world.Seen, stale *mtlstest.Identity) adminapi.Rotation {
	t := s.t
	t.Helper()
	old, begin := s.active(), time.Now()
	res := s.cli("ca", "rotate", "--yes", "--detach")
	require.Zero(t, res.Code, res.Stderr)
	r := s.untilDone() // seen 50 ms after it; ca rotate looks once a second
	require.Empty(t, r.Dropped)
	s.requireRefused(stale)
	s.requireDistrusted()

	after := s.active()
	require.Equal(t, []string{after}, trusted(s.ca()), "the old root is gone from SPIRE's bundle")
	require.NotEqual(t, old, after)
	now := s.all()
	for id, was := range before {
		require.Equal(t, adminapi.Online, now[id].Status, id)
		// A tunneler has one session with each connector; which of them is shown changes.
		require.True(t, now[id].Since.Before(begin), "%s has a stream of %s, opened during the rotation", id, now[id].Since)
		require.Equal(t, after, now[id].SVID.AuthorityID, "%s has an SVID of the new authority", id)
		require.NotEqual(t, was.SVID.Serial, now[id].SVID.Serial, "%s proved a new SVID", id)
	}
	return r
}

// guest is a tunneler with an SVID signed now, and the bundle of now.
func (s *crowded) guest(signer *bulk.Signer) *mtlstest.Identity {
	s.t.Helper()
	signer.Refresh(s.t)
	w := identity.Workload{Kind: identity.KindTunneler, ID: s.tunnelers[0].ID}
	return signer.IdentityOn(s.t, w, identity.HostID(s.Seen(s.tunnelers[0]).HostID))
}

// requireDistrusted: the old root is in nobody's bundle, now.
func (s *crowded) requireDistrusted() {
	s.t.Helper()
	active := s.active()
	for host, ids := range s.traffic(time.Time{}).trusts {
		require.Equal(s.t, []string{active}, ids, "%s, as soon as the rotation is done", host)
	}
}

// requireRefused: no connector takes an SVID of the old authority, which has not
// expired, and each takes one of the new authority.
func (s *crowded) requireRefused(stale *mtlstest.Identity) {
	t := s.t
	t.Helper()
	fresh := s.guest(s.signer)
	bundle, err := fresh.GetX509BundleForTrustDomain(td)
	require.NoError(t, err)
	stale.Trust(bundle) // or it would be this end that refuses
	for _, addr := range s.addresses {
		// An alert or a reset, whichever comes first; but an answer.
		err := handshake(t.Context(), addr, stale)
		require.Error(t, err)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, handshake(t.Context(), addr, fresh))
	}
}

// crowded is a system with many tunnelers.
type crowded struct {
	*system
	connectors, tunnelers []*world.Host
	addresses             []string // of the connectors
	signer                *bulk.Signer
}

func newCrowdedSystem(t *testing.T) *crowded {
	t.Helper()
	s := &crowded{system: &system{World: worldtest.New(t), t: t}}
	s.Boot()
	s.signer = bulk.NewSigner(t, s.Controller)
	for i := range soakConnectors {
		id := fmt.Sprintf("c-%02d", i)
		h := s.Join(id, "connector", id)
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
	h := s.Host(id, "tunneler", id)
	h.Env = []string{"SESSION_PROBE=" + soakProbe.String()}
	if first != nil {
		h.Env = append(h.Env, "HOST_DIR="+first.HostDir(), "SPIFFE_ENDPOINT_SOCKET=unix://"+first.Socket())
	}
	s.Enroll(h)
	if first == nil {
		require.NoError(s.t, h.StartAgent())
	}
	require.NoError(s.t, h.StartProgram())
	s.Online(h)
	s.tunnelers = append(s.tunnelers, h)
	return h
}

func (s *crowded) all() map[string]world.Seen {
	s.t.Helper()
	out := map[string]world.Seen{}
	for _, h := range append(slices.Clone(s.connectors), s.tunnelers...) {
		out[h.ID] = s.Seen(h)
	}
	return out
}

// shakeHands makes new connections to the connectors all the time, each with an
// SVID signed a moment ago. The function it returns ends it and counts.
func (s *crowded) shakeHands() (stop func() (done, failed int64)) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var g errgroup.Group
	var n, bad atomic.Int64
	signer := bulk.NewSigner(s.t, s.Controller)
	g.Go(func() error {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return nil
			}
			own := s.guest(signer)
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
