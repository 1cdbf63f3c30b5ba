package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// spread is a Propagation with a clock, and what it observed.
type spread struct {
	*policy.Propagation
	clock *hosttest.Clock
	took  []time.Duration
	gone  []policy.Revocation
}

// Published is a policy with which these were revoked.
func (s *spread) Published(revision uint64, revoked []time.Time) {
	for _, at := range revoked {
		s.gone = append(s.gone, policy.Revocation{Revision: revision, At: at})
	}
	s.Look(&policy.Snapshot{Revision: revision, Revoked: s.gone})
}

func newSpread() *spread {
	s := &spread{clock: hosttest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	s.Propagation = policy.NewPropagation(s.clock.Now, func(d time.Duration) { s.took = append(s.took, d) })
	return s
}

// at is a moment before now.
func (s *spread) at(ago time.Duration) time.Time { return s.clock.Now().Add(-ago) }

func TestPropagation(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for name, tc := range map[string]struct {
		happens func(s *spread)
		want    []time.Duration
	}{
		"one observation for each connector, from the revocation on": {func(s *spread) {
			s.Up("a", 1)
			s.Up("b", 2)
			s.Published(7, []time.Time{s.at(3 * ms)})
			s.clock.Advance(10 * ms)
			s.Applied("a", 1, 7)
			s.clock.Advance(20 * ms)
			s.Applied("b", 2, 8)
			s.Applied("b", 2, 9)
		}, []time.Duration{13 * ms, 33 * ms}},
		"two revocations in one policy": {func(s *spread) {
			s.Up("a", 1)
			s.Published(7, []time.Time{s.at(5 * ms), s.at(ms)})
			s.Applied("a", 1, 7)
		}, []time.Duration{5 * ms, ms}},
		"a policy that was overtaken by the next": {func(s *spread) {
			s.Up("a", 1)
			s.Published(7, []time.Time{s.at(2 * ms)})
			s.Published(8, []time.Time{s.at(ms)})
			s.Applied("a", 1, 8)
		}, []time.Duration{2 * ms, ms}},
		"nothing for a connector that still applies the one before": {func(s *spread) {
			s.Up("a", 1)
			s.Published(7, []time.Time{s.at(ms)})
			s.Applied("a", 1, 6)
		}, nil},
		"nothing for one that came after the policy went out": {func(s *spread) {
			s.Published(7, []time.Time{s.at(ms)})
			s.Up("a", 1)
			s.Applied("a", 1, 7)
		}, nil},
		"nothing for one that left": {func(s *spread) {
			s.Up("a", 1)
			s.Published(7, []time.Time{s.at(ms)})
			s.Down("a", 1)
			s.clock.Advance(time.Hour)
			s.Up("a", 2)
			s.Applied("a", 2, 7)
		}, nil},
		"the late end of an older stream changes nothing": {func(s *spread) {
			s.Up("a", 1)
			s.Up("a", 2)
			s.Published(7, []time.Time{s.at(ms)})
			s.Down("a", 1)
			s.Applied("a", 1, 7)
			s.clock.Advance(ms)
			s.Applied("a", 2, 7)
		}, []time.Duration{2 * ms}},
		"a minute for one that is connected and silent, once": {func(s *spread) {
			s.Up("a", 1)
			s.Published(7, []time.Time{s.at(0)})
			s.clock.Advance(59 * time.Second)
			s.Applied("a", 1, 6)
			s.clock.Advance(time.Second)
			s.Applied("a", 1, 6)
			s.clock.Advance(time.Second)
			s.Applied("a", 1, 7)
		}, []time.Duration{time.Minute}},
		"one that applied the policy before it was looked at": {func(s *spread) {
			s.Up("a", 1)
			s.clock.Advance(5 * ms)
			s.Applied("a", 1, 7)
			s.Applied("a", 1, 7)
			s.clock.Advance(time.Second)
			s.Published(7, []time.Time{s.at(time.Second + 3*ms)})
			s.Applied("a", 1, 7)
		}, []time.Duration{3 * ms}},
		"revisions that were never looked at": {func(s *spread) {
			s.Up("a", 1)
			s.gone = []policy.Revocation{{Revision: 7, At: s.at(3 * ms)}, {Revision: 8, At: s.at(2 * ms)}}
			s.Published(9, []time.Time{s.at(ms)})
			s.Published(10, nil)
			s.Applied("a", 1, 8)
			s.clock.Advance(ms)
			s.Applied("a", 1, 10)
		}, []time.Duration{3 * ms, 2 * ms, 2 * ms}},
		"no negative time where the clock was set back": {func(s *spread) {
			s.Up("a", 1)
			s.Published(7, []time.Time{s.at(-time.Second)})
			s.Applied("a", 1, 7)
		}, []time.Duration{0}},
		"nothing where nobody was revoked": {func(s *spread) {
			s.Up("a", 1)
			s.Published(7, nil)
			s.Applied("a", 1, 7)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSpread()
			tc.happens(s)
			require.Equal(t, tc.want, s.took)
		})
	}
}

// TestPublisherTellsOfRevocations: once each, with the time of the store, and not
// of those that were revoked before this program started.
func TestPublisherTellsOfRevocations(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	long := member(identity.KindTunneler, "long-gone", now.Add(-time.Hour))
	long.RevokedAt = now.Add(-time.Minute)
	s := newMemory(7)
	s.connectors = []fleet.Connector{{Member: member(identity.KindConnector, "c-01", now)}}
	s.tunnelers = []fleet.Tunneler{{Member: member(identity.KindTunneler, "t-01", now)}, {Member: long}}
	p := policy.NewPublisher(td, s, zap.NewNop(), func() time.Time { return now })
	require.NoError(t, p.Refresh(t.Context()))
	require.Empty(t, p.Current().Revoked)

	s.change(func() {
		s.tunnelers[0].RevokedAt = now.Add(2 * time.Second)
		s.connectors[0].RevokedAt = now.Add(time.Second)
	})
	require.NoError(t, p.Refresh(t.Context()))
	s.change(func() {})
	require.NoError(t, p.Refresh(t.Context()))
	want := []policy.Revocation{{Revision: 8, At: now.Add(time.Second)}, {Revision: 8, At: now.Add(2 * time.Second)}}
	require.Equal(t, want, p.Current().Revoked, "a reader that skips a snapshot gets them all the same")

	now = now.Add(time.Hour)
	s.change(func() {})
	require.NoError(t, p.Refresh(t.Context()))
	require.Empty(t, p.Current().Revoked)
}
