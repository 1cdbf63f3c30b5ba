package control_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// promptly is far above what a cut takes and below every other reason to close.
const promptly = 5 * time.Second

// peerOf is a member's program: it has an SVID that rotates, and proves it.
type peerOf struct {
	own  *mtlstest.Identity
	conn *grpc.ClientConn
	link *mtls.Conn
}

func (w *world) peer(t *testing.T, who identity.Workload, use func(context.Context, *grpc.ClientConn) error) *peerOf {
	t.Helper()
	p := &peerOf{own: w.spireCA.Identity(w.spireCA.SVID(t, "spiffe://mycorp.internal/"+who.String(), mtlstest.OnHost(mtlstest.HostOf(who.String()))))}
	opened := make(chan *mtls.Conn, 1)
	creds := mtls.ClientCredentials(mtls.ClientConfig(p.own, mtls.Kinds(td, identity.KindController)), func(c *mtls.Conn) error {
		opened <- c
		return nil
	})
	var err error
	p.conn, err = grpc.NewClient("passthrough:///"+w.plane.Addr().String(), grpc.WithTransportCredentials(creds))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = reproof.NewClient(p.own, zap.NewNop()).Around(ctx, p.conn, func(ctx context.Context) error { return use(ctx, p.conn) })
	}()
	t.Cleanup(func() { cancel(); <-over; _ = p.conn.Close() })
	p.link = <-opened
	// An answer shows that the other end is through with its handshake too.
	_, err = healthv1.NewHealthClient(p.conn).Check(patient(t), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	return p
}

// rotate swaps the SVID and returns what the controller should then know of it.
func (p *peerOf) rotate(t *testing.T, w *world, who identity.Workload) presence.SVID {
	t.Helper()
	next := w.spireCA.SVID(t, "spiffe://mycorp.internal/"+who.String(), mtlstest.OnHost(mtlstest.HostOf(who.String())))
	p.own.Swap(next)
	st := mtls.Describe(next.Certificates[0])
	return presence.SVID{Serial: st.Serial, AuthorityID: st.AuthorityID, NotAfter: st.NotAfter}
}

func (p *peerOf) requireCut(t *testing.T) {
	t.Helper()
	select {
	case <-p.link.Closed():
	case <-time.After(promptly):
		require.FailNow(t, "the socket is open")
	}
}

func holdConnect(id string) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, conn *grpc.ClientConn) error {
		s, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(ctx)
		if err != nil {
			return err
		}
		if err := s.Send(hello(id)); err != nil {
			return err
		}
		<-ctx.Done() // reads nothing
		return nil
	}
}

func holdWatch(id string) func(context.Context, *grpc.ClientConn) error {
	return func(ctx context.Context, conn *grpc.ClientConn) error {
		if _, err := zerotrustv1.NewDirectoryServiceClient(conn).Watch(ctx, &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: id}); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
}

func TestRosterKnowsWhatWasProved(t *testing.T) {
	t.Parallel()
	t.Run("by a connector, whatever its heartbeats say", func(t *testing.T) {
		t.Parallel()
		w, who := newWorld(t), connector("c-01")
		w.member(t, who)
		say := make(chan *zerotrustv1.ConnectRequest)
		p := w.peer(t, who, func(ctx context.Context, conn *grpc.ClientConn) error {
			s, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(ctx)
			for m := hello("c-01"); err == nil; {
				err = s.Send(m)
				select {
				case m = <-say:
				case <-ctx.Done():
					return nil
				}
			}
			return err
		})
		eventually(t, "the handshake's SVID", func() bool { return w.roster.Connector("c-01", time.Time{}).SVIDVerified })
		lie := heartbeat("c-01", 77)
		lie.GetHeartbeat().Svid = &zerotrustv1.SVIDStatus{Serial: "11ed"}
		say <- lie
		eventually(t, "the heartbeat", func() bool { return w.roster.Connector("c-01", time.Time{}).PolicyRevision == 77 })
		require.NotEqual(t, "11ed", w.roster.Connector("c-01", time.Time{}).SVID.Serial)
		want := p.rotate(t, w, who)
		eventually(t, "the proof", func() bool { return w.roster.Connector("c-01", time.Time{}).SVID == want })
	})
	t.Run("by a tunneler, while its directory stream is open", func(t *testing.T) {
		t.Parallel()
		w, who := newWorld(t), tunneler("t-01")
		w.member(t, who)
		of := func() presence.State { p, _, _ := w.roster.Tunneler("t-01", time.Time{}); return p }
		p := w.peer(t, who, holdWatch("t-01"))
		eventually(t, "the handshake's SVID", func() bool { return of().SVIDVerified })
		want := p.rotate(t, w, who)
		eventually(t, "the proof", func() bool { return of().SVID == want })
		require.NoError(t, p.conn.Close())
		eventually(t, "the end of the stream", func() bool { return !of().SVIDVerified })
	})
}

func TestRevocationClosesTheSocket(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		who    identity.Workload
		hold   func(string) func(context.Context, *grpc.ClientConn) error
		told   identity.Kind // whom its messages are about
		others int
	}{
		"of a connector that reads nothing": {connector("gone"), holdConnect, identity.KindTunneler, 120},
		"of a tunneler that reads nothing":  {tunneler("gone"), holdWatch, identity.KindConnector, 120},
		"of a connector that has no stream": {connector("gone"), func(string) func(context.Context, *grpc.ClientConn) error {
			return func(ctx context.Context, _ *grpc.ClientConn) error { <-ctx.Done(); return nil }
		}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.member(t, c.who)
			w.member(t, connector("stays"))
			stays := w.peer(t, connector("stays"), holdConnect("stays"))
			p := w.peer(t, c.who, c.hold(c.who.ID))
			// More than a stream's window: the handler is stuck in Send from here on.
			for i := range c.others {
				w.member(t, identity.Workload{Kind: c.told, ID: fmt.Sprintf("c-%060d", i)})
			}
			begin := time.Now()
			w.revoke(t, c.who)
			p.requireCut(t)
			t.Logf("closed %s after the call", time.Since(begin))
			require.NoError(t, stays.link.Reason())
		})
	}
}
