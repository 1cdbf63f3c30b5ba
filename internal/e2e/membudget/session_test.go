package membudget_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// TestASessionIsWithinItsBudget of the connector's memory: its connection, the re-proof
// stream beside it, and what is reported of the tunneler.
func TestASessionIsWithinItsBudget(t *testing.T) {
	if !alone(t) {
		return
	}
	const sessions = 200
	ca := mtlstest.NewCA(t, td)
	c := &oneController{policy: make([]*zerotrustv1.PolicyTunneler, 0, sessions), applied: make(chan struct{})}
	for i := range sessions {
		w := identity.Workload{Kind: identity.KindTunneler, ID: idOf(identity.KindTunneler, i)}
		c.policy = append(c.policy, &zerotrustv1.PolicyTunneler{SpiffeId: "spiffe://" + td.Name() + "/" + w.String(), HostId: string(mtlstest.HostOf(w.String()))})
	}
	tunnelers := peersOf(t, ca, serveRelay(t, ca, c.serve(t, ca)), identity.KindConnector, identity.KindTunneler, sessions)
	<-c.applied
	perObject(t, "a session at a connector", sessions, sessionBudget, func(t *testing.T) { tunnelers.start(t) })
}

// oneController is what a connector needs of one.
type oneController struct {
	zerotrustv1.UnimplementedControlPlaneServiceServer

	policy  []*zerotrustv1.PolicyTunneler
	applied chan struct{}
}

func (c *oneController) serve(t *testing.T, ca *mtlstest.CA) (addr string) {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := mtlstest.NewReproofServer(ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/controller/controller-01")), mtls.Kinds(td, identity.KindConnector))
	zerotrustv1.RegisterControlPlaneServiceServer(server, c)
	var serving sync.WaitGroup
	serving.Go(func() { assert.NoError(t, server.Serve(lis)) })
	t.Cleanup(func() {
		server.Stop()
		serving.Wait()
	})
	return lis.Addr().String()
}

// Connect sends the policy, and reads until the connector leaves.
func (c *oneController) Connect(stream zerotrustv1.ControlPlaneService_ConnectServer) error {
	for _, p := range controltest.Policy(1, &zerotrustv1.PolicyUpdate{IssuedAt: timestamppb.Now()}, c.policy...) {
		if err := stream.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Policy{Policy: p}}); err != nil {
			return err
		}
	}
	applied := sync.OnceFunc(func() { close(c.applied) })
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		if m.GetHeartbeat().GetAppliedPolicyRevision() == 1 {
			applied()
		}
	}
}

// serveRelay has a connector until the test ends.
func serveRelay(t *testing.T, ca *mtlstest.CA, controller string) (addr string) {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r, err := relay.New(relay.Config{
		ID: "gw", TrustDomain: td, Version: "v1", Identity: ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/connector/gw")), Listener: lis,
		ControlAddresses: []string{controller}, Log: zap.NewNop(),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, r.Run(ctx)) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return lis.Addr().String()
}
