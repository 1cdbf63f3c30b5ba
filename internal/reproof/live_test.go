package reproof_test

import (
	"context"
	"crypto/x509"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// bubble runs a test in fake time.
func bubble(t *testing.T, name string, test func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	bubble(t, "keeps the stream and renews the proof, both ways", func(t *testing.T) {
		l := connect(t)
		before, n := l.atServer.Proven()
		require.Zero(t, n, "the handshake was the first proof")
		for range 3 {
			elapse(30 * time.Minute)
			next := l.ca.SVID(t, tunnelerID)
			l.client.Swap(next)
			l.server.Swap(l.ca.SVID(t, connectorID))
			synctest.Wait()
			after, _ := l.atServer.Proven()
			require.NotEqual(t, before.Serial, after.Serial)
			require.Equal(t, mtls.Describe(next.Certificates[0]), after)
			before = after
		}
		l.requireOpen(t)
		require.Equal(t, reproof.Status{Accepted: 3}, l.far.Status())
		require.Equal(t, reproof.Status{Accepted: 3}, l.near.Status())
		require.Equal(t, 6, l.logs.FilterMessage("re-proof accepted").Len(), "one line each")
		l.hang(t)
	})
	bubble(t, "between the handshake and the stream is not missed", func(t *testing.T) {
		ca := mtlstest.NewCA(t, td)
		client, server := ca.Identity(ca.SVID(t, tunnelerID)), ca.Identity(ca.SVID(t, connectorID))
		far := newServer(server)
		listener, opened := serve(t, far, server)
		conn := dial(t, listener, client)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx) // connects
		require.NoError(t, err)
		atServer := <-opened
		next := ca.SVID(t, tunnelerID)
		client.Swap(next)
		require.NoError(t, reproof.NewClient(client, nop()).Around(ctx, conn, func(context.Context) error {
			synctest.Wait()
			st, n := atServer.Proven()
			require.Equal(t, 1, n)
			require.Equal(t, mtls.Describe(next.Certificates[0]), st)
			return nil
		}))
	})
	bubble(t, "to an SVID that is no good cuts, and the prover hears why", func(t *testing.T) {
		l := connect(t)
		l.client.Swap(l.ca.SVID(t, tunnelerID, mtlstest.Expired()))
		synctest.Wait()
		elapse(time.Second)
		require.ErrorContains(t, l.atServer.Reason(), "expired")
		err := l.ended()
		require.ErrorIs(t, err, reproof.ErrRefused)
		require.ErrorContains(t, err, "expired")
		require.Equal(t, reproof.Status{Refused: 1, Cut: 1}, l.far.Status())
		require.Equal(t, 1, l.logs.FilterMessage("connection cut").Len())
	})
	bubble(t, "to one that is no good is why, whoever hangs up first", func(t *testing.T) {
		ca := mtlstest.NewCA(t, td)
		client, server := ca.Identity(ca.SVID(t, tunnelerID)), ca.Identity(ca.SVID(t, connectorID))
		listener, opened := serve(t, newServer(server), server, grpc.ChainStreamInterceptor(hangsUp))
		conn := dial(t, listener, client)
		err := reproof.NewClient(client, nop()).Around(t.Context(), conn, func(ctx context.Context) error {
			s, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
			require.NoError(t, err)
			client.Swap(ca.SVID(t, tunnelerID, mtlstest.Expired()))
			_, err = s.Recv()
			return err
		})
		require.Error(t, err)
		require.ErrorContains(t, (<-opened).Reason(), "expired", "not that the peer closed it")
	})
}

// hangsUp has a client gone before the server goes on from its verdict.
func hangsUp(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	return next(srv, hangingUp{s})
}

type hangingUp struct{ grpc.ServerStream }

// SendMsg implements grpc.ServerStream.
func (h hangingUp) SendMsg(m any) error {
	err := h.ServerStream.SendMsg(m)
	if r, ok := m.(*zerotrustv1.ProveResponse); ok && r.GetFrame().GetVerdict().GetReason() != "" {
		<-mtls.ConnOf(h.Context()).Closed()
	}
	return err
}

func TestNeverReproved(t *testing.T) {
	t.Parallel()
	bubble(t, "client is cut 30 s after its last proven expiry", func(t *testing.T) {
		ca := mtlstest.NewCA(t, td)
		l := connectAs(t, ca, ca.Identity(ca.SVID(t, tunnelerID, mtlstest.Lifetime(5*time.Minute))), ca.Identity(ca.SVID(t, connectorID)))
		elapse(3 * time.Minute)
		l.client.Swap(ca.SVID(t, tunnelerID, mtlstest.Lifetime(5*time.Minute)))
		elapse(5*time.Minute + 29*time.Second)
		l.requireOpen(t)
		elapse(time.Second)
		require.ErrorIs(t, l.atServer.Reason(), reproof.ErrNotReproved)
		require.Error(t, l.ended())
		require.Equal(t, reproof.Status{Accepted: 1, Cut: 1}, l.far.Status())
		require.Zero(t, l.far.Conns().Len())
	})
	bubble(t, "server is cut 30 s after its last proven expiry", func(t *testing.T) {
		ca := mtlstest.NewCA(t, td)
		l := connectAs(t, ca, ca.Identity(ca.SVID(t, tunnelerID)), ca.Identity(ca.SVID(t, connectorID, mtlstest.Lifetime(5*time.Minute))))
		elapse(5*time.Minute + 29*time.Second)
		l.requireOpen(t)
		elapse(time.Second)
		require.ErrorIs(t, l.ended(), reproof.ErrNotReproved)
		require.Equal(t, reproof.Status{Cut: 1}, l.near.Status())
		require.ErrorIs(t, l.atServer.Reason(), mtls.ErrClosed)
	})
}

func TestAuthorities(t *testing.T) {
	t.Parallel()
	both := func(a, b *mtlstest.CA) *x509bundle.Bundle {
		return x509bundle.FromX509Authorities(td, []*x509.Certificate{a.Authority(), b.Authority()})
	}
	bubble(t, "a proof under an unknown one is accepted once the bundle has it", func(t *testing.T) {
		l := connect(t)
		next := mtlstest.NewCA(t, td)
		l.client.Swap(next.SVID(t, tunnelerID))
		elapse(10 * time.Minute)
		l.requireOpen(t)
		require.Equal(t, reproof.Status{Held: 1}, l.far.Status())
		l.server.Trust(both(l.ca, next))
		elapse(time.Second)
		_, n := l.atServer.Proven()
		require.Equal(t, 1, n)
		require.Equal(t, reproof.Status{Held: 1, Accepted: 1}, l.far.Status())
		l.hang(t)
	})
	bubble(t, "a proof under an unknown one gives no time beyond the old deadline", func(t *testing.T) {
		ca := mtlstest.NewCA(t, td)
		l := connectAs(t, ca, ca.Identity(ca.SVID(t, tunnelerID)), ca.Identity(ca.SVID(t, connectorID, mtlstest.Lifetime(2*time.Hour))))
		l.client.Swap(mtlstest.NewCA(t, td).SVID(t, tunnelerID, mtlstest.Lifetime(24*time.Hour)))
		elapse(time.Hour + 29*time.Second)
		l.requireOpen(t)
		elapse(time.Second)
		require.ErrorIs(t, l.atServer.Reason(), reproof.ErrNotReproved)
	})
	bubble(t, "a proof under a removed one is refused", func(t *testing.T) {
		ca, next := mtlstest.NewCA(t, td), mtlstest.NewCA(t, td)
		client, server := ca.Identity(ca.SVID(t, tunnelerID)), next.Identity(next.SVID(t, connectorID))
		client.Trust(both(ca, next))
		server.Trust(both(ca, next))
		l := connectAs(t, ca, client, server)
		l.client.Swap(ca.SVID(t, tunnelerID))
		synctest.Wait()
		require.Equal(t, uint64(1), l.far.Status().Accepted)
		server.Trust(next.Bundle())
		l.client.Swap(ca.SVID(t, tunnelerID))
		elapse(2 * time.Second)
		require.Equal(t, reproof.Status{Accepted: 1, Held: 1}, l.far.Status())
		elapse(time.Minute)
		require.ErrorIs(t, l.atServer.Reason(), reproof.ErrAuthorityGone)
	})
	bubble(t, "a connection that was proven under a removed one ends within a minute", func(t *testing.T) {
		ca, next := mtlstest.NewCA(t, td), mtlstest.NewCA(t, td)
		client, server := ca.Identity(ca.SVID(t, tunnelerID, mtlstest.Lifetime(10*365*24*time.Hour))), next.Identity(next.SVID(t, connectorID, mtlstest.Lifetime(20*time.Hour)))
		client.Trust(both(ca, next))
		server.Trust(both(ca, next))
		l := connectAs(t, ca, client, server)
		elapse(time.Hour)
		server.Trust(next.Bundle())
		elapse(29 * time.Second)
		l.requireOpen(t)
		elapse(31 * time.Second)
		require.ErrorIs(t, l.atServer.Reason(), reproof.ErrAuthorityGone)
	})
	bubble(t, "a connection that re-proves under the new one survives the end of the old", func(t *testing.T) {
		ca, next := mtlstest.NewCA(t, td), mtlstest.NewCA(t, td)
		client, server := ca.Identity(ca.SVID(t, tunnelerID)), next.Identity(next.SVID(t, connectorID))
		client.Trust(both(ca, next))
		server.Trust(both(ca, next))
		l := connectAs(t, ca, client, server)
		elapse(time.Minute)
		server.Trust(next.Bundle()) // too early: the peer still stands on the old one
		elapse(45 * time.Second)
		l.client.Swap(next.SVID(t, tunnelerID))
		elapse(10 * time.Minute)
		l.requireOpen(t)
		l.hang(t)
	})
}

func TestProveStream(t *testing.T) {
	t.Parallel()
	bubble(t, "is missed 10 s after the first other RPC of a connection", func(t *testing.T) {
		p := intrude(t)
		_, err := zerotrustv1.NewTunnelServiceClient(p.conn).Session(t.Context())
		require.NoError(t, err)
		atServer := <-p.opened
		elapse(9 * time.Second)
		require.NoError(t, atServer.Reason())
		elapse(time.Second)
		require.ErrorIs(t, atServer.Reason(), reproof.ErrNoStream)
	})
	bubble(t, "is missed 10 s after the peer ended it", func(t *testing.T) {
		p := intrude(t)
		stop := p.prove(t)
		_, err := zerotrustv1.NewTunnelServiceClient(p.conn).Session(t.Context())
		require.NoError(t, err)
		atServer := <-p.opened
		elapse(time.Minute)
		require.NoError(t, atServer.Reason())
		stop()
		elapse(10 * time.Second)
		require.ErrorIs(t, atServer.Reason(), reproof.ErrNoStream)
	})
	bubble(t, "is refused to a connection that has one", func(t *testing.T) {
		p := intrude(t)
		p.prove(t)
		second, err := zerotrustv1.NewReproofServiceClient(p.conn).Prove(t.Context())
		require.NoError(t, err)
		_, err = second.Recv()
		require.Equal(t, codes.AlreadyExists, status.Code(err))
	})
}

func TestServerStops(t *testing.T) {
	t.Parallel()
	bubble(t, "and the other streams have time to say goodbye", func(t *testing.T) {
		l := connect(t)
		l.stopServer()
		elapse(4 * time.Second)
		l.requireOpen(t)
		elapse(time.Second)
		require.Error(t, l.ended(), "but not for ever")
	})
}

func TestHostileFrames(t *testing.T) {
	t.Parallel()
	frame := func(f *zerotrustv1.ReproofFrame) []*zerotrustv1.ReproofFrame { return []*zerotrustv1.ReproofFrame{f} }
	challenge := func(n int) *zerotrustv1.ReproofFrame {
		return &zerotrustv1.ReproofFrame{Frame: &zerotrustv1.ReproofFrame_Challenge{Challenge: &zerotrustv1.ReproofChallenge{Nonce: make([]byte, n)}}}
	}
	flood := make([]*zerotrustv1.ReproofFrame, 0, 50)
	for range cap(flood) {
		flood = append(flood, challenge(32))
	}
	for name, c := range map[string]struct {
		say  []*zerotrustv1.ReproofFrame
		want error
	}{
		"an empty frame is the end":                 {frame(&zerotrustv1.ReproofFrame{}), reproof.ErrMalformed},
		"no frame is the end":                       {frame(nil), reproof.ErrMalformed},
		"an empty proof is the end":                 {frame(&zerotrustv1.ReproofFrame{Frame: &zerotrustv1.ReproofFrame_Proof{}}), reproof.ErrMalformed},
		"a challenge of 31 bytes is the end":        {frame(challenge(31)), reproof.ErrMalformed},
		"a challenge without a nonce is the end":    {frame(challenge(0)), reproof.ErrMalformed},
		"a proof of a megabyte is the end":          {frame((&reproof.Proof{Chain: [][]byte{make([]byte, 1<<20)}}).Frame()), reproof.ErrMalformed},
		"a flood of challenges is the end":          {flood, reproof.ErrFlood},
		"a proof that nobody could sign is the end": {frame((&reproof.Proof{Chain: [][]byte{{0x30, 0}}}).Frame()), nil},
	} {
		bubble(t, name, func(t *testing.T) {
			p := intrude(t)
			_, err := zerotrustv1.NewTunnelServiceClient(p.conn).Session(t.Context())
			require.NoError(t, err)
			atServer := <-p.opened
			stream, err := zerotrustv1.NewReproofServiceClient(p.conn).Prove(t.Context())
			require.NoError(t, err)
			for _, f := range c.say {
				require.NoError(t, stream.Send(&zerotrustv1.ProveRequest{Frame: f}))
			}
			synctest.Wait()
			elapse(20 * time.Millisecond)
			require.Error(t, atServer.Reason())
			if c.want != nil {
				require.ErrorIs(t, atServer.Reason(), c.want)
			}
			refused := false
			for {
				m, err := stream.Recv()
				if err != nil {
					break
				}
				refused = refused || m.GetFrame().GetVerdict().GetReason() != ""
			}
			require.True(t, refused, "it heard why before it was cut")
			require.Equal(t, uint64(1), p.far.Status().Refused)
		})
	}
}
