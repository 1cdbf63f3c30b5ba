package control_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// outdated are the members that were refused for their protocol, and why.
type outdated struct {
	mu  sync.Mutex
	why map[identity.Workload]string
}

func (o *outdated) note(w identity.Workload, why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.why[w] = why
}

func (o *outdated) of(w identity.Workload) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.why[w]
}

// TestAPeerOfAnotherProtocolIsToldWhoIsToBeUpgraded, and the operator sees it until the
// peer comes back with ours. What the policy does not name is not noted.
func TestAPeerOfAnotherProtocolIsToldWhoIsToBeUpgraded(t *testing.T) {
	t.Parallel()
	w, found := newWorld(t), &outdated{why: map[identity.Workload]string{}}
	w.controlPlane.Outdated, w.directory.Outdated = found.note, found.note
	w.member(t, connector("c-01"))
	w.member(t, tunneler("t-01"))
	dial := map[identity.Workload]func(who identity.Workload, protocol uint32) error{
		connector("c-01"): func(who identity.Workload, protocol uint32) error {
			s := w.open(t, who)
			m := hello(who.ID)
			m.GetHello().Protocol = protocol
			s.say(m)
			_, err := s.Recv()
			return err
		},
		tunneler("t-01"): func(who identity.Workload, protocol uint32) error {
			s, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, who)).Watch(patient(t), &zerotrustv1.WatchRequest{TunnelerId: who.ID, Protocol: protocol})
			require.NoError(t, err)
			_, err = s.Recv()
			return err
		},
	}
	for who, dial := range dial {
		for protocol, upgrade := range map[uint32]string{0: "upgrade the program on this host", wire.Protocol + 1: "upgrade the controller"} {
			err := dial(who, protocol)
			require.Equal(t, codes.FailedPrecondition, status.Code(err), who)
			require.Contains(t, status.Convert(err).Message(), upgrade)
			require.Contains(t, found.of(who), upgrade)
		}
		stranger := identity.Workload{Kind: who.Kind, ID: "stranger"}
		require.Equal(t, codes.FailedPrecondition, status.Code(dial(stranger, 0)))
		require.Empty(t, found.of(stranger), "a member that is not enrolled is nobody's work")
		require.NoError(t, dial(who, wire.Protocol))
		require.Empty(t, found.of(who))
	}
}

// TestAPeerThatComesBackGetsWhatItMissed: no more, and everything if it has something
// else than it says.
func TestAPeerThatComesBackGetsWhatItMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	w.member(t, tunneler("t-01"))
	w.member(t, tunneler("t-02"))
	first := w.open(t, connector("c-01"))
	first.say(hello("c-01"))
	whole := first.policy(t)
	require.Zero(t, whole.GetHeader().GetFrom())

	back := func(p *zerotrustv1.Position) (applied, stream) {
		s := w.open(t, connector("c-01"))
		s.set = first.set
		m := hello("c-01")
		m.GetHello().Policy = p
		s.say(m)
		return s.policy(t), s
	}
	got, _ := back(controltest.Position(first.set))
	require.Equal(t, got.GetHeader().GetTo(), got.GetHeader().GetFrom(), "nothing is new")
	require.Empty(t, got.GetUpserts())

	w.revoke(t, tunneler("t-02"))
	w.member(t, tunneler("t-03"))
	got, _ = back(controltest.Position(first.set))
	require.NotZero(t, got.GetHeader().GetFrom())
	require.Equal(t, []string{"spiffe://mycorp.internal/tunneler/t-02"}, got.GetRemovals())
	require.Len(t, got.GetUpserts(), 1)
	require.Len(t, got.GetTunnelers(), 2)

	for _, c := range []struct {
		name   string
		change func(*zerotrustv1.Position)
	}{
		{"another set", func(p *zerotrustv1.Position) { p.Digest[0]++ }},
		{"no digest", func(p *zerotrustv1.Position) { p.Digest = nil }},
		{"another timeline", func(p *zerotrustv1.Position) { p.Timeline++ }},
		{"a position that is still to come", func(p *zerotrustv1.Position) { p.At++ }},
		// Last: what was encoded before the first case would do for such a peer, and not for
		// this test's, which only says so.
		{"a position that is long gone", func(p *zerotrustv1.Position) { p.At, p.Digest[1] = 1, p.Digest[1]+1 }},
	} {
		p := controltest.Position(first.set)
		c.change(p)
		got, _ = back(p)
		require.Zero(t, got.GetHeader().GetFrom(), c.name)
	}

	_, s := back(controltest.Position(first.set))
	s.say(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Resync{}})
	require.Zero(t, s.policy(t).GetHeader().GetFrom())
	for range 20 {
		s.say(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Resync{}})
	}
	s.endsWith(t, codes.ResourceExhausted, "too often")
	require.Equal(t, 2, first.set.Len())
	require.NotEqual(t, delta.Digest{}, first.set.Position().Digest)
}
