package control_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// TestOneWhoIsNotNamedKeepsNoConnection: its SVID is good for TLS until it expires, and no
// later change is about its holder. It is told why, and then cut, however
// well it proves its identity.
func TestOneWhoIsNotNamedKeepsNoConnection(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.member(t, connector("gw"))
	w.revoke(t, connector("gw"))
	require.NoError(t, w.policy.Refresh(t.Context()))
	own := w.spireCA.Identity(w.spireCA.SVID(t, "spiffe://mycorp.internal/connector/gw", mtlstest.OnHost(mtlstest.HostOf("connector/gw"))))
	conn, err := grpc.NewClient("passthrough:///"+w.plane.Addr().String(),
		grpc.WithTransportCredentials(mtls.ClientCredentials(mtls.ClientConfig(own, mtls.Kinds(td, identity.KindController)))))
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	s, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(patient(t))
	require.NoError(t, err)
	refused := stream{s, controltest.Tunnelers()}
	refused.say(hello("gw"))
	refused.endsWith(t, codes.PermissionDenied, "")
	_ = reproof.NewClient(own, zap.NewNop()).Around(patient(t), conn, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience) // longer than the proofs, which end with the connection
		defer cancel()
		require.True(t, conn.WaitForStateChange(ctx, connectivity.Ready), "connected and not named")
		return nil
	})
}
