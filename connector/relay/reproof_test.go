package relay_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// laptop is a tunneler's program: one session, proven for as long as it lives.
type laptop struct {
	own  *mtlstest.Identity
	link *mtls.Conn
	over chan error
}

// join opens a session that sends one heartbeat, and reads to its end if it reads.
func (w *world) join(t *testing.T, reads bool) *laptop {
	t.Helper()
	l := &laptop{own: w.ca.Identity(w.ca.SVID(t, laptopID)), over: make(chan error, 1)}
	opened := make(chan *mtls.Conn, 1)
	creds := mtls.ClientCredentials(mtls.ClientConfig(l.own, mtls.Kinds(td, identity.KindConnector)), func(c *mtls.Conn) error {
		opened <- c
		return nil
	})
	conn, err := grpc.NewClient("passthrough:///"+w.addr, grpc.WithTransportCredentials(creds))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		l.over <- reproof.NewClient(l.own, zap.NewNop()).Around(ctx, conn, func(ctx context.Context) error {
			s, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
			if err != nil {
				return err
			}
			err = s.Send(&zerotrustv1.SessionRequest{Sequence: 1, Heartbeat: &zerotrustv1.TunnelerHeartbeat{
				TunnelerId: "laptop", Svid: &zerotrustv1.SVIDStatus{Serial: "11ed"},
			}})
			if !reads {
				<-ctx.Done()
			}
			for err == nil {
				_, err = s.Recv()
			}
			return err
		})
	}()
	t.Cleanup(func() { cancel(); _ = conn.Close() })
	l.link = <-opened
	return l
}

func TestReportsCarryWhatWasProved(t *testing.T) {
	t.Parallel()
	w, _, stream := linked(t, laptopID)
	l := w.join(t, true)
	r := stream.report(t, "laptop", false)
	require.Equal(t, l.own.Status().Serial, r.GetSvid().GetSerial(), "not what the heartbeat says")
	l.own.Swap(w.ca.SVID(t, laptopID))
	r = stream.report(t, "laptop", false)
	require.Equal(t, l.own.Status().Serial, r.GetSvid().GetSerial(), "at once, without a heartbeat")
	require.NoError(t, l.link.Reason())
	stream.policy(t, 2)
	require.Error(t, <-l.over)
}

func TestRevocationClosesTheSocket(t *testing.T) {
	t.Parallel()
	for name, reads := range map[string]bool{
		"of a tunneler that reads, after the status": true,
		"of a tunneler that reads nothing":           false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _, stream := linked(t, laptopID)
			l := w.join(t, reads)
			stream.report(t, "laptop", false)
			begin := time.Now()
			stream.policy(t, 2)
			select {
			case <-l.link.Closed():
			case <-time.After(5 * time.Second):
				require.FailNow(t, "the socket is open")
			}
			t.Logf("closed %s after the policy was sent", time.Since(begin))
			if err := <-l.over; reads {
				requireStatus(t, err, codes.PermissionDenied, "revoked")
			}
			stream.report(t, "laptop", true)
		})
	}
}

func TestTheConnectorProvesItself(t *testing.T) {
	t.Parallel()
	w, _, stream := linked(t, laptopID)
	l := w.join(t, true)
	stream.report(t, "laptop", false)
	next := w.ca.SVID(t, connectorID)
	w.identity.Swap(next)
	require.Eventually(t, func() bool {
		st, _ := l.link.Proven()
		return st == mtls.Describe(next.Certificates[0])
	}, soon, time.Millisecond)
	stream.policy(t, 2)
	require.Error(t, <-l.over)
}

// often has refusals reported before a test has waited for long, but not before a
// connection that is being cut is gone: a report on it could be lost.
func often(c *relay.Config) { c.Timing.Refusals = 250 * time.Millisecond }

func (s *fakeStream) proofs(t *testing.T) *zerotrustv1.ProofRefusal {
	t.Helper()
	refused := s.until(t, "a refused proof", func(m *zerotrustv1.ConnectRequest) bool { return m.GetProofs() != nil }).GetProofs().GetRefusals()
	require.Len(t, refused, 1)
	return refused[0]
}

// TestTheControllerHearsOfRefusedProofs: whoever plays a tunneler or a controller on a
// connection that is open leaves a trace in the audit log.
func TestTheControllerHearsOfRefusedProofs(t *testing.T) {
	t.Parallel()
	t.Run("of a tunneler", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		c := startController(t, ca, anyAddress, controllerID)
		w := startConnector(t, ca, c.addr, often)
		stream := c.next(t)
		stream.policy(t, 1, laptopID)
		stream.applied(t, 1)
		l := w.join(t, true)
		l.own.Swap(ca.SVID(t, laptopID, mtlstest.Expired()))
		require.Error(t, <-l.over)
		got := stream.proofs(t)
		require.Equal(t, laptopID, got.GetSpiffeId())
		require.False(t, got.GetDialed())
		require.Contains(t, got.GetReason(), "expired")
		require.Equal(t, w.addr, got.GetLocalAddress())
	})
	t.Run("of a controller, on the next stream", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		good := ca.SVID(t, controllerID)
		c := startController(t, ca, anyAddress, controllerID)
		startConnector(t, ca, c.addr, often)
		first := c.next(t)
		first.policy(t, 1)
		first.applied(t, 1)
		c.own.Swap(ca.SVID(t, controllerID, mtlstest.Expired()))
		select {
		case <-first.over:
		case <-time.After(soon):
			require.FailNow(t, "the connector stays with a controller whose proof is no good")
		}
		c.own.Swap(good)
		again := c.next(t)
		again.policy(t, 1)
		got := again.proofs(t)
		require.Equal(t, controllerID, got.GetSpiffeId())
		require.True(t, got.GetDialed())
		require.Contains(t, got.GetReason(), "expired")
		require.Equal(t, c.addr, got.GetRemoteAddress())
	})
}
