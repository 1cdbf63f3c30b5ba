package flood_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/bulk"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// gateway runs the one connector until the end of the test.
func gateway(t *testing.T, c *world.Controller, signer *bulk.Signer) (*relay.Relay, net.Addr) {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	id := bulk.ID(identity.KindConnector, 0)
	r, err := relay.New(relay.Config{
		ID: id, TrustDomain: td, Version: "flood", Identity: signer.Identity(t, identity.Workload{Kind: identity.KindConnector, ID: id}),
		Listener: lis, ControlAddresses: []string{c.Run.Control}, PrivateIP: "127.0.0.1", Log: zap.NewNop(),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
	require.NoError(t, world.Eventually(t.Context(), time.Minute, "the connector is linked", func(ctx context.Context) error {
		return errors.Join(r.ControlReady(ctx), r.PolicyReady(ctx))
	}))
	return r, lis.Addr()
}

// tunneler is one at the gateway.
type tunneler struct {
	id   string
	own  *mtlstest.Identity
	addr net.Addr
}

func tunnelers(t *testing.T, signer *bulk.Signer, at net.Addr, from, n int) []tunneler {
	t.Helper()
	out := make([]tunneler, n)
	for i := range out {
		id := bulk.ID(identity.KindTunneler, from+i)
		out[i] = tunneler{id, signer.Identity(t, identity.Workload{Kind: identity.KindTunneler, ID: id}), at}
	}
	return out
}

// session sends heartbeats made by beat, one per every, until one is not answered.
func (u tunneler) session(ctx context.Context, every time.Duration, beat func() *zerotrustv1.TunnelerHeartbeat) error {
	conn, err := grpc.NewClient("passthrough:///"+u.addr.String(),
		grpc.WithTransportCredentials(mtls.ClientCredentials(mtls.ClientConfig(u.own, mtls.Kinds(td, identity.KindConnector)))))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	// Without re-proof the connector ends a session after 10 s.
	return reproof.NewClient(u.own, zap.NewNop()).Around(ctx, conn, func(ctx context.Context) error {
		return beats(ctx, conn, every, beat)
	})
}

func beats(ctx context.Context, conn *grpc.ClientConn, every time.Duration, beat func() *zerotrustv1.TunnelerHeartbeat) error {
	s, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
	if err != nil {
		return err
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := uint64(1); ; n++ {
		_ = s.Send(&zerotrustv1.SessionRequest{Sequence: n, Heartbeat: beat()}) // Recv says why not
		if _, err := s.Recv(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// keepHonest has sessions until ctx ends and counts those that break.
func keepHonest(ctx context.Context, g *sync.WaitGroup, all []tunneler, broken *atomic.Int64) {
	for _, u := range all {
		g.Go(func() {
			err := u.session(ctx, 2*time.Second, func() *zerotrustv1.TunnelerHeartbeat {
				return &zerotrustv1.TunnelerHeartbeat{TunnelerId: u.id, Version: "v1"}
			})
			if ctx.Err() == nil {
				fmt.Fprintln(os.Stderr, "honest session of", u.id, "broke:", err)
				broken.Add(1)
			}
		})
	}
}

// poison sends what no tunneler does, again and again.
func poison(ctx context.Context, g *sync.WaitGroup, all []tunneler, sent *atomic.Int64) {
	for i, u := range all {
		g.Go(func() {
			bad := &zerotrustv1.TunnelerHeartbeat{TunnelerId: u.id, Version: "a\nb"}
			if i%10 == 0 { // as much as a message may have; all of these share our processor
				bad = &zerotrustv1.TunnelerHeartbeat{TunnelerId: u.id, Version: "v1"}
				for n := range 30_000 {
					bad.BundleAuthorityIds = append(bad.BundleAuthorityIds, fmt.Sprintf("%032d", n))
				}
			}
			tick := time.NewTicker(3 * time.Second)
			defer tick.Stop()
			for ctx.Err() == nil {
				_ = u.session(ctx, time.Second, func() *zerotrustv1.TunnelerHeartbeat {
					sent.Add(1)
					return bad
				})
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
}
