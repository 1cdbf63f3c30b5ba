package footprint_test

import (
	"context"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/bulk"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// heartbeat is that of a tunneler.
const heartbeat = 10 * time.Second

// attach opens idle sessions of the tunnelers first to last at a connector, one
// after the other. They end with the test.
func (s *stage) attach(signer *bulk.Signer, to *world.Host, first, last int) {
	s.t.Helper()
	at, err := to.Addresses()
	require.NoError(s.t, err)
	for i := first; i < last; i++ {
		w := identity.Workload{Kind: identity.KindTunneler, ID: bulk.ID(identity.KindTunneler, i)}
		own := signer.Identity(s.t, w)
		td := spiffeid.RequireTrustDomainFromString(s.Run.TrustDomain)
		conn, err := grpc.NewClient("passthrough:///"+at.Listen, grpc.WithNoProxy(),
			grpc.WithTransportCredentials(mtls.ClientCredentials(mtls.ClientConfig(own, mtls.Kinds(td, identity.KindConnector)))))
		require.NoError(s.t, err)
		ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
		attached, ended := make(chan error, 1), make(chan struct{})
		go func() {
			defer close(ended)
			err := reproof.NewClient(own, zap.NewNop()).Around(ctx, conn, func(ctx context.Context) error {
				return beat(ctx, conn, w.ID, attached)
			})
			if ctx.Err() == nil {
				s.t.Errorf("session of %s: %v", w.ID, err)
			}
		}()
		s.t.Cleanup(func() {
			cancel()
			<-ended
			_ = conn.Close()
		})
		require.NoError(s.t, receive(s.t, attached))
	}
}

// beat is one session: heartbeats, each acknowledged.
func beat(ctx context.Context, conn *grpc.ClientConn, id string, attached chan<- error) error {
	stream, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
	if err != nil {
		attached <- err
		return err
	}
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for n := uint64(1); ; n++ {
		err := stream.Send(&zerotrustv1.SessionRequest{Sequence: n, Heartbeat: &zerotrustv1.TunnelerHeartbeat{TunnelerId: id}})
		if err == nil {
			_, err = stream.Recv()
		}
		if n == 1 {
			attached <- err
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func receive(t *testing.T, c <-chan error) error {
	t.Helper()
	select {
	case err := <-c:
		return err
	case <-time.After(30 * time.Second):
		t.Fatal("no session within 30 s")
		return nil
	}
}
