package e2e_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

// shortLives make an absence of longAbsence longer than the lives of SVIDs, of
// agents and of the authority that signed them.
var shortLives = []string{
	"--spire-ca-ttl", "4m", "--spire-agent-ttl", "2m",
	"--svid-ttl-connector", "40s", "--svid-ttl-tunneler", "40s", "--svid-ttl-controller", "40s",
}

const longAbsence = 5*time.Minute + 15*time.Second

// away waits until the absence that began at since is over.
func (s *system) away(since time.Time) {
	s.t.Helper()
	s.eventually(longAbsence+time.Minute, "the absence is over", func(context.Context) error {
		if left := longAbsence - time.Since(since); left > 0 {
			return fmt.Errorf("%s left", left)
		}
		return nil
	})
}

// returns requires a new stream of each host within backWithin, with a new SVID,
// on the old enrollment.
func (s *system) returns(before map[*world.Host]world.Seen, since time.Time) {
	s.t.Helper()
	for h, was := range before {
		left := backWithin - time.Since(since)
		s.eventually(left, h.ID+" ONLINE again", func(ctx context.Context) error {
			now, err := h.Seen(ctx, s.api)
			if err == nil && (now.Status != "ONLINE" || !now.Since.After(was.Since) || now.SVID.Serial == was.SVID.Serial) {
				err = fmt.Errorf("%s is %s since %s", h.ID, now.Status, now.Since)
			}
			return err
		})
		require.Equal(s.t, was.HostID, s.seen(h).HostID)
		require.Equal(s.t, was.EnrolledAt, s.seen(h).EnrolledAt)
	}
	s.t.Logf("all ONLINE %.1f s after the return", time.Since(since).Seconds())
}

func (s *system) snapshot(hosts ...*world.Host) map[*world.Host]world.Seen {
	s.t.Helper()
	out := map[*world.Host]world.Seen{}
	for _, h := range hosts {
		out[h] = s.seen(h)
	}
	return out
}

func long(t *testing.T) {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		t.Skip("takes six minutes, left out by -short")
	}
}

func TestAnAbsentHostThatWasSwitchedOffReturns(t *testing.T) {
	long(t)
	s := newWorld(t, shortLives...)
	h := s.join("a", "connector", "off-01")
	before := s.snapshot(h)
	off := time.Now()
	h.Kill()
	s.away(off)
	on := time.Now()
	require.NoError(t, h.Start())
	s.returns(before, on)
}

func TestAnAbsentControllerHostReturns(t *testing.T) {
	long(t)
	s := newWorld(t, shortLives...)
	connector, tunneler := s.join("a", "connector", "c-01"), s.join("b", "tunneler", "t-01")
	before := s.snapshot(connector, tunneler)
	off := time.Now()
	s.Kill()
	s.away(off)
	on := time.Now()
	s.start()
	s.returns(before, on)
}

func TestAllAbsentAfterAPowerCutReturn(t *testing.T) {
	long(t)
	s := newWorld(t, shortLives...)
	connector, tunneler := s.join("a", "connector", "c-01"), s.join("b", "tunneler", "t-01")
	before := s.snapshot(connector, tunneler)
	off := time.Now()
	for _, h := range []*world.Host{connector, tunneler} {
		h.Kill()
	}
	s.Kill()
	s.away(off)
	on := time.Now()
	require.NoError(t, s.Launch())
	for _, h := range []*world.Host{connector, tunneler} {
		require.NoError(t, h.Start())
	}
	require.NoError(t, s.WaitReady(t.Context()))
	s.connect()
	s.returns(before, on)
}

// partitioned is a world with one connector behind a cable.
func partitioned(t *testing.T, flags ...string) (*system, *world.Host, *link) {
	t.Helper()
	l := newLink(t)
	s := newWorld(t, append(flags, l.listen()...)...)
	h := s.behind(l, "far-away-01")
	return s, h, l
}

// TestAHostAbsentForLessThanItsAgentsLifeReturns: the agent's own SVID is still
// good, which is when SPIRE left to itself waits longest.
func TestAHostAbsentForLessThanItsAgentsLifeReturns(t *testing.T) {
	long(t)
	s, h, l := partitioned(t, "--spire-agent-ttl", "30m", "--svid-ttl-connector", "40s")
	before := s.snapshot(h)
	cut := time.Now()
	l.set("down")
	s.away(cut)
	l.set("up")
	s.returns(before, time.Now())
}

func TestAHostAbsentForLongerThanItsAuthorityLivesReturns(t *testing.T) {
	long(t)
	s, h, l := partitioned(t, shortLives...)
	before := s.snapshot(h)
	cut := time.Now()
	l.set("down")
	s.away(cut)
	l.set("up")
	s.returns(before, time.Now())
}

func TestAnAbsentHostThatWasRevokedDoesNotReturn(t *testing.T) {
	long(t)
	s, h, l := partitioned(t, shortLives...)
	cut := time.Now()
	l.set("down")
	s.cli("connectors", "revoke", h.ID, "--yes")
	s.away(cut)
	l.set("up")
	s.staysOffline(h, backWithin)
}
