package control_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
)

// TestDenialsComeFirstAndInFull: with each revocation before the policy of the same
// change, and all of them at the begin of a stream, to connectors and tunnelers.
func TestDenialsComeFirstAndInFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	w.member(t, tunneler("t-01"))
	w.member(t, tunneler("early"))
	w.member(t, connector("late"))
	w.revoke(t, tunneler("early"))
	require.NoError(t, w.policy.Refresh(t.Context()))

	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"))
	m, err := s.Recv()
	require.NoError(t, err)
	require.Len(t, m.GetDenials().GetDenials(), 1, "before the policy")
	d := m.GetDenials().GetDenials()[0]
	require.Equal(t, "spiffe://mycorp.internal/tunneler/early", d.GetSpiffeId())
	require.Less(t, time.Since(d.GetSvidNotBefore().AsTime()), time.Minute)
	require.Zero(t, d.GetSvidNotBefore().GetNanos(), "a certificate has whole seconds")
	s.policy(t)

	w.revoke(t, connector("late"))
	m, err = s.Recv()
	require.NoError(t, err)
	require.Len(t, m.GetDenials().GetDenials(), 1, "what was sent is not sent again")
	require.Equal(t, "spiffe://mycorp.internal/connector/late", m.GetDenials().GetDenials()[0].GetSpiffeId())
	s.policy(t)

	stream, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, tunneler("t-01"))).Watch(patient(t), &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: "t-01"})
	require.NoError(t, err)
	first, err := stream.Recv()
	require.NoError(t, err)
	require.Nil(t, first.GetDirectory())
	require.Len(t, first.GetDenials().GetDenials(), 2)
}

// TestManyDenialsAreManyMessages: each is one that a member reads whole.
func TestManyDenialsAreManyMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	const n = denial.MaxMessage + 3
	for i := range n {
		who := tunneler(fmt.Sprintf("t-%d", i))
		w.member(t, who)
		w.revoke(t, who)
	}
	require.NoError(t, w.policy.Refresh(t.Context())) // else the stream may begin before the last one
	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"))
	seen := map[string]bool{}
	for _, want := range []int{denial.MaxMessage, 3} {
		m, err := s.Recv()
		require.NoError(t, err)
		require.Len(t, m.GetDenials().GetDenials(), want)
		for _, d := range m.GetDenials().GetDenials() {
			seen[d.GetSpiffeId()] = true
		}
	}
	require.Len(t, seen, n)
	s.policy(t)
}
