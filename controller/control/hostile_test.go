package control_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// The tests of this file are what a connector or tunneler does that was approved and is
// hostile now.

// TestAFloodOfMessagesWaits: it is read at the rate of an honest connector with all its
// tunnelers. The stream goes on meanwhile.
func TestAFloodOfMessagesWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.controlPlane.Patience = control.Patience{Messages: rate.Every(time.Hour), Burst: 5}
	w.member(t, connector("c-01"))
	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"))
	at := s.policy(t).GetRevision()
	for range 20 {
		s.say(heartbeat("c-01", at))
	}
	eventually(t, "what it may say at once is heard", func() bool { return w.roster.Activity().Heartbeats >= 6 })
	for i := range 3 {
		w.member(t, tunneler(fmt.Sprintf("t-%d", i)))
		require.Len(t, s.policy(t).tunnelers, i+1, "it is told what is new")
	}
	require.EqualValues(t, 6, w.roster.Activity().Heartbeats, "the others wait for an hour")
	w.revoke(t, connector("c-01"))
	s.endsRevoked(t)
}

// manyTunnelers are more than a peer that reads nothing has room for.
func (w *world) manyTunnelers(t *testing.T, n int) {
	t.Helper()
	require.NoError(t, w.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		for i := range n {
			who := tunneler(fmt.Sprintf("many-%05d", i))
			host := mtlstest.HostOf(who.String())
			agent, err := host.AgentID(td)
			if err != nil {
				return err
			}
			at := time.Now().Add(-10 * time.Minute)
			if err := tx.PutHost(t.Context(), fleet.Host{ID: host, AgentID: agent, KeyHash: []byte(host), EnrolledAt: at}); err != nil {
				return err
			}
			if err := tx.PutMember(t.Context(), fleet.Member{Workload: who, HostID: host, EnrolledAt: at}); err != nil {
				return err
			}
		}
		return tx.BumpPolicy(t.Context())
	}))
	require.NoError(t, w.policy.Refresh(t.Context()))
}

// TestAReaderOfNothingIsCutWhenItIsReplaced: its handler waits in a Send, and would be
// there for as long as the peer keeps its connection, with what it was to be sent. A peer
// may have hundreds of such streams.
func TestAReaderOfNothingIsCutWhenItIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.controlPlane.Patience.Stuck = 50 * time.Millisecond
	w.member(t, connector("c-01"))
	w.manyTunnelers(t, 3000)
	conn := w.dial(t, connector("c-01"))
	silent, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(patient(t))
	require.NoError(t, err)
	require.NoError(t, silent.Send(hello("c-01")))
	eventually(t, "it is admitted", func() bool { return w.status("c-01") == "ONLINE" })

	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"))
	require.Len(t, s.policy(t).tunnelers, 3000)
	eventually(t, "the connection of the older stream is closed", func() bool { return conn.GetState() != connectivity.Ready })
	w.member(t, tunneler("t-01"))
	require.Len(t, s.policy(t).tunnelers, 3001, "that of the newer one is not")
}

// TestAConnectorThatRefusesInTurnsIsLoggedSeldom: it does not fill the disk.
func TestAConnectorThatRefusesInTurnsIsLoggedSeldom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	core, logs := observer.New(zap.InfoLevel)
	w.controlPlane.Log = zap.New(core)
	s := w.open(t, connector("c-01"))
	s.say(hello("c-01"))
	at := s.policy(t).GetRevision()
	refuses := heartbeat("c-01", at)
	refuses.GetHeartbeat().Refusal = "not today"
	for range 100 {
		s.say(refuses, heartbeat("c-01", at))
	}
	s.say(heartbeat("c-01", 7))
	eventually(t, "the heartbeat behind them", func() bool { return w.roster.Connector("c-01", time.Time{}).PolicyRevision == 7 })
	lines := logs.FilterMessage("connector refuses the policy of this controller").Len() + logs.FilterMessage("connector takes the policy of this controller again").Len()
	require.Equal(t, 8, lines, "some, then one a minute")
}

// TestAMessageIsNoLargerThanAnHonestOne: a member may begin a hundred calls whose messages
// never end, and the controller holds what has come of each.
func TestAMessageIsNoLargerThanAnHonestOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, tunneler("t-01"))
	const calls, most = 120, 32 << 20
	require.LessOrEqual(t, calls*wire.MaxFromMember, most)
	_, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, tunneler("t-01"))).Report(patient(t), &zerotrustv1.ReportRequest{
		Proofs: &zerotrustv1.ProofRefusals{Refusals: []*zerotrustv1.ProofRefusal{{Reason: string(make([]byte, wire.MaxFromMember))}}},
	})
	require.Equal(t, codes.ResourceExhausted, status.Code(err), err)
}

// TestAConnectorThatMovesInEachHelloIsRefused: the directory of every tunneler would
// change as often.
func TestAConnectorThatMovesInEachHelloIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("c-01"))
	conn := w.dial(t, connector("c-01"))
	var end error
	for i := range 11 {
		c, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(patient(t))
		require.NoError(t, err)
		require.NoError(t, c.Send(hello("c-01", fmt.Sprintf("10.0.0.7:%d", 1000+i))))
		if _, end = c.Recv(); end != nil {
			require.Equal(t, 10, i)
			break
		}
		require.NoError(t, c.CloseSend())
	}
	require.Equal(t, codes.ResourceExhausted, status.Code(end), end)
	require.ErrorContains(t, end, "change too often")
}
