package app_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	caps "github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// member enrolls one and returns a connection of it to the control listener.
func member(t *testing.T, w *app.Wired, spire *fakeSPIRE, who identity.Workload) *grpc.ClientConn {
	t.Helper()
	_, secret, err := w.Enroll().Create(t.Context(), enroll.TokenRequest{Workload: who, TTL: 10 * time.Minute})
	require.NoError(t, err)
	got, err := w.Enroll().Redeem(t.Context(), enroll.Redemption{
		Secret: secret, Workload: who, CSR: enrolltest.NewKey(t).CSR, Source: netip.MustParseAddrPort("192.0.2.7:4711"),
		Facts: enroll.Facts{BinaryPath: "/usr/bin/grpc" + string(who.Kind), UID: 1000, Hostname: "box", Version: "v1"},
	})
	require.NoError(t, err)
	var since time.Time // of an SVID that is younger than the enrollment; certificates have whole seconds
	require.Eventually(t, func() bool {
		since = time.Now().Truncate(time.Second)
		return w.Policy().Admits(who, identity.Issue{Host: got.HostID, NotBefore: since})
	}, soon, 5*time.Millisecond)
	id, err := who.SPIFFEID(spire.domain)
	require.NoError(t, err)
	own := spire.ca.Identity(spire.ca.SVID(t, id.String(), mtlstest.Since(since), mtlstest.OnHost(got.HostID)))
	conn, err := grpc.NewClient("passthrough:///"+w.Control(), grpc.WithTransportCredentials(credentials.NewTLS(mtls.ClientConfig(own, mtls.Kinds(spire.domain, identity.KindController)))))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestReportsOfRefusedProofsReachTheAuditLog: of a connector and of a tunneler, as the
// controller puts its parts together.
func TestReportsOfRefusedProofsReachTheAuditLog(t *testing.T) {
	t.Parallel()
	w, spire := wire(t)
	of := func(kind string) *zerotrustv1.ProofRefusals {
		return &zerotrustv1.ProofRefusals{Refusals: []*zerotrustv1.ProofRefusal{{
			SpiffeId: "spiffe://" + spire.domain.Name() + "/" + kind + "/liar", Reason: "bad signature", Count: 1, FirstAt: timestamppb.Now(), LastAt: timestamppb.Now(),
		}}}
	}
	requireReported := func(control, session uint64) {
		t.Helper()
		require.Eventually(t, func() bool {
			c, s := w.Unproven()
			return c == control && s == session
		}, soon, 5*time.Millisecond)
	}
	tunneler := zerotrustv1.NewDirectoryServiceClient(member(t, w, spire, identity.Workload{Kind: identity.KindTunneler, ID: "laptop"}))
	_, err := tunneler.Report(t.Context(), &zerotrustv1.ReportRequest{Proofs: of("connector")})
	require.NoError(t, err)
	requireReported(0, 1)

	stream, err := zerotrustv1.NewControlPlaneServiceClient(member(t, w, spire, identity.Workload{Kind: identity.KindConnector, ID: "gw"})).Connect(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Hello{Hello: &zerotrustv1.ConnectorHello{Protocol: caps.Protocol, ConnectorId: "gw"}}}))
	require.NoError(t, stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Proofs{Proofs: of("controller")}}))
	requireReported(1, 1)
}
