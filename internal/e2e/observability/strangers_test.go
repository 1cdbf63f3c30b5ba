package observability_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/bulk"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/spiretest"
)

// gone is how many connectors of this site have left an address at which nobody
// listens.
const gone = 6

// strangers is a controller that is told wrong things, with SVIDs that its SPIRE
// signed and with tokens that it made.
func strangers(t *testing.T, w *watch) {
	s := newSite(t, w)
	s.oldBootstrapCA()
	bulk.Enroll(t, s.Controller, identity.KindConnector, gone)
	s.boot()
	key := s.recoveryKey()
	laptop, laptopAt := s.start("tunneler", "laptop") // no connector of its is there
	signer, here := bulk.NewSigner(t, s.Controller), at(s.Run.Health)
	peers := make([]*mtlstest.Identity, gone)
	for i := range peers {
		peers[i] = signer.Identity(t, connector(i))
	}

	s.fires("ZeroTrustStreamUnstable", at(laptopAt, "stream", "session"), func() {
		for i, own := range peers {
			s.hello(own, connector(i).ID, "one")
		}
	})

	since := time.Now()
	s.fires("ZeroTrustHostCloned", here, func() {
		for range 2 * gone {
			s.hello(peers[0], connector(0).ID, "one")
			s.hello(peers[0], connector(0).ID, "another")
		}
	})
	s.alerted("ZeroTrustReconnectStorm", here, since)

	s.fires("ZeroTrustReproofRefused", at(s.Run.Health, "link", "control"), func() { s.proveAnother(signer) })

	s.fires("ZeroTrustFlowRecordsLost", here, func() { s.reportLost(peers[1], laptop) })

	s.fires("ZeroTrustEnrollmentRefusals", here, func() {
		token, err := s.Token(t.Context(), "tunneler", "meant")
		require.NoError(t, err)
		thief, _ := s.host("tunneler", "not-meant")
		for range 11 {
			s.refused(thief, token.Token)
		}
	})

	s.fires("ZeroTrustHostContested", here, func() {
		first := s.NewHost(s.Path("first"), "tunneler", "wanted")
		second := s.NewHost(s.Path("second"), "tunneler", "wanted")
		s.refused(second, s.Enroll(first))
	})

	s.replaced(laptop, func() {
		s.fires("ZeroTrustTooManyAuthorities", here, func() {
			for range 2 {
				r, err := world.Run(t.Context(), world.Spec{
					Name: "spire-server", Dir: s.Path("."), Path: spiretest.Binary(t, "spire-server"),
					Args: []string{"localauthority", "x509", "prepare", "-socketPath", filepath.Join(s.Dir, "spire", "server.sock")},
				}, "")
				require.NoError(t, err)
				require.Zero(t, r.Code, r.Stderr)
			}
		})
	})
	for i := range gone { // or a controller that was restored waits for what they know
		require.NoError(t, s.API.RevokeConnector(t.Context(), connector(i).ID))
	}
	s.takenOverTwice(key, laptopAt)
}

func connector(i int) identity.Workload {
	return identity.Workload{Kind: identity.KindConnector, ID: bulk.ID(identity.KindConnector, i)}
}

// refused tries a token that is not for this host.
func (s *site) refused(h *world.Host, token string) {
	s.t.Helper()
	r, err := h.Enroll(s.t.Context(), token)
	require.NoError(s.t, err)
	require.NotZero(s.t, r.Code)
}

// dial connects to the control plane.
func (s *site) dial(own mtls.Identity) *grpc.ClientConn {
	s.t.Helper()
	authorize := mtls.Kinds(spiffeid.RequireTrustDomainFromString(s.Run.TrustDomain), identity.KindController)
	conn, err := grpc.NewClient("passthrough:///"+s.Run.Control, grpc.WithNoProxy(),
		grpc.WithTransportCredentials(mtls.ClientCredentials(mtls.ClientConfig(own, authorize))))
	require.NoError(s.t, err)
	return conn
}

// hello opens a control stream as a connector does, at whose address nobody listens,
// and leaves once it was let in.
func (s *site) hello(own mtls.Identity, id, instance string) {
	s.t.Helper()
	conn := s.dial(own)
	defer func() { require.NoError(s.t, conn.Close()) }()
	ctx, cancel := context.WithTimeout(s.t.Context(), soon)
	defer cancel()
	_, err := greet(ctx, conn, id, instance)
	require.NoError(s.t, err)
}

func greet(ctx context.Context, conn *grpc.ClientConn, id, instance string) (zerotrustv1.ControlPlaneService_ConnectClient, error) {
	stream, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(ctx)
	if err == nil {
		err = stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Hello{Hello: &zerotrustv1.ConnectorHello{
			Protocol:    wire.Protocol,
			ConnectorId: id, Version: "v1", InstanceId: instance, BootId: "b", PrivateIp: "127.0.0.1", ListenAddresses: []string{"127.0.0.1:1"},
		}}})
	}
	if err == nil {
		_, err = stream.Recv()
	}
	return stream, err
}

// reportLost is a connector that had no room for the records of three flows, and has one.
func (s *site) reportLost(own mtls.Identity, of *world.Host) {
	s.t.Helper()
	conn := s.dial(own)
	defer func() { require.NoError(s.t, conn.Close()) }()
	ctx, cancel := context.WithTimeout(s.t.Context(), soon)
	defer cancel()
	stream, err := greet(ctx, conn, connector(1).ID, "one")
	require.NoError(s.t, err)
	tunneler, err := identity.Workload{Kind: identity.KindTunneler, ID: of.ID}.SPIFFEID(spiffeid.RequireTrustDomainFromString(s.Run.TrustDomain))
	require.NoError(s.t, err)
	now := timestamppb.Now()
	require.NoError(s.t, stream.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Flows{Flows: &zerotrustv1.FlowRecords{
		First: 1, Lost: 3, Records: []*zerotrustv1.FlowRecord{{
			SpiffeId: tunneler.String(), Host: "db.corp", Port: 5432, NetworkId: "default", Decision: "no_resource", Code: 1, OpenedAt: now, EndedAt: now, Count: 1,
		}},
	}}}))
	for {
		answer, err := stream.Recv()
		require.NoError(s.t, err)
		if answer.GetFlowsRecorded() != nil {
			return
		}
	}
}

// proveAnother is a connector that proves, on the connection of its own SVID, the
// identity of another, with its key.
func (s *site) proveAnother(signer *bulk.Signer) {
	s.t.Helper()
	own, other := signer.Identity(s.t, connector(1)), signer.Identity(s.t, connector(2))
	mine, err := own.GetX509SVID()
	require.NoError(s.t, err)
	stolen, err := other.GetX509SVID()
	require.NoError(s.t, err)
	conn := s.dial(own)
	defer func() { require.NoError(s.t, conn.Close()) }()
	ctx, cancel := context.WithTimeout(s.t.Context(), soon)
	defer cancel()
	var greeted error
	err = reproof.NewClient(own, zap.NewNop()).Around(ctx, conn, func(ctx context.Context) error {
		_, greeted = greet(ctx, conn, connector(1).ID, "one")
		if greeted != nil {
			return greeted
		}
		// Under our own name, or our own side would refuse to send it.
		own.Swap(&x509svid.SVID{ID: mine.ID, Certificates: stolen.Certificates, PrivateKey: stolen.PrivateKey})
		<-ctx.Done()
		return ctx.Err()
	})
	require.NoError(s.t, greeted)
	require.Error(s.t, err)
	require.NoError(s.t, ctx.Err(), "the controller did not cut it")
}
