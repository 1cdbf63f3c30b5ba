package adversary_test

import (
	"context"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// laptop is a real tunneler that follows the controller.
type laptop struct {
	*session.Manager

	watcher *directory.Watcher
}

// laptop starts one; opts spoil its configuration.
func (w *world) laptop(t *testing.T, opts ...func(*session.Config)) *laptop {
	t.Helper()
	own := w.svid(t, tunnelerID)
	watcher, err := directory.New(directory.Config{
		ID: tunneler.ID, TrustDomain: td, Version: "v1", Identity: own, ControlAddresses: []string{w.plane.Addr().String()}, Log: zap.NewNop(),
	})
	require.NoError(t, err)
	cfg := session.Config{ID: tunneler.ID, Version: "v1", Identity: own, Directory: watcher, Log: zap.NewNop()}
	for _, opt := range opts {
		opt(&cfg)
	}
	m, err := session.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 2)
	for _, run := range []func(context.Context) error{watcher.Run, m.Run} {
		go func() { done <- run(ctx) }()
	}
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done); assert.NoError(t, <-done) })
	return &laptop{m, watcher}
}

func (l *laptop) ready(t *testing.T) {
	t.Helper()
	eventually(t, "a session", func() bool { return l.Ready(t.Context()) == nil })
}

// anew enrolls the connector again, on another host and at the same addresses, in
// one step: nobody sees a directory without it.
func (w *world) anew(t *testing.T) {
	t.Helper()
	was, err := w.store.Connectors(t.Context())
	require.NoError(t, err)
	now := time.Now()
	require.NoError(t, w.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		host := identity.NewHostID()
		agent, err := host.AgentID(td)
		if err != nil {
			return err
		}
		if err := tx.PutHost(t.Context(), fleet.Host{ID: host, AgentID: agent, KeyHash: []byte(host), EnrolledAt: now}); err != nil {
			return err
		}
		if err := tx.PutMember(t.Context(), fleet.Member{Workload: connector, HostID: host, EnrolledAt: now}); err != nil {
			return err
		}
		if _, err := tx.SaveHello(t.Context(), fleet.Hello{ID: connector.ID, Addresses: was[0].Addresses}); err != nil {
			return err
		}
		return tx.BumpPolicy(t.Context())
	}))
	require.NoError(t, w.policy.Refresh(t.Context()))
}

// A connector was revoked and its id enrolled again at the same address while a
// tunneler was away: what the tunneler hears next is the end state alone, and the
// former holder still has an SVID with the right SPIFFE ID.
func TestAConnectorThatWasEnrolledAnewIsAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector, tunneler)
	w.gateway(t) // with an SVID of five minutes ago
	l := w.laptop(t)
	l.ready(t)
	w.anew(t)
	eventually(t, "the session with the former holder has ended", func() bool {
		err := l.Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), "held the connector's id before")
	})
}

// Until SPIRE has heard that an id has another holder, about half a second, the agent of
// the former one still gets SVIDs for it, as young as those of its successor.
func TestAFormerHoldersYoungestSVIDIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector)
	w.open(t)
	w.anew(t)
	late := w.spireCA.Identity(w.spireCA.SVID(t, connectorID, mtlstest.OnHost(mtlstest.HostOf(connector.String())), mtlstest.Since(time.Now())))
	conn, _ := dial(t, w.plane.Addr(), late)
	_, err := healthv1.NewHealthClient(conn).Check(patient(t), &healthv1.HealthCheckRequest{})
	require.Equal(t, codes.PermissionDenied, status.Code(err), err)
}

// CONNECTOR_ADDR says where to dial, and not whom to believe: another connector of the
// same trust domain that took over the address (ARP, DNS, a lease that moved) gets no
// session, and the true one keeps its own.
func TestAnAddressIsNoIdentity(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector, tunneler)
	w.gateway(t)
	heard := make(chan struct{}, 1)
	lis := listen(t)
	s := mtlstest.NewReproofServer(w.svid(t, "spiffe://mycorp.internal/connector/elsewhere"), anyKind)
	zerotrustv1.RegisterTunnelServiceServer(s, greedy{heard: heard})
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(lis) }()
	t.Cleanup(func() { s.Stop(); <-served })
	l := w.laptop(t, func(c *session.Config) { c.ConnectorAddr = lis.Addr().String() })
	l.ready(t)
	eventually(t, "the address is named", func() bool {
		err := l.AddrReady(t.Context())
		return err != nil && strings.Contains(err.Error(), "connector/elsewhere, which the directory does not list")
	})
	require.NoError(t, l.Ready(t.Context()))
	require.Empty(t, heard)
}

// greedy notes what is said to it.
type greedy struct {
	zerotrustv1.UnimplementedTunnelServiceServer

	heard chan struct{}
}

// Session implements zerotrustv1.TunnelServiceServer.
func (g greedy) Session(s zerotrustv1.TunnelService_SessionServer) error {
	if _, err := s.Recv(); err == nil {
		g.heard <- struct{}{}
	}
	<-s.Context().Done()
	return s.Context().Err()
}

// The second role of a host: that its agent attested says nothing of the role, and its
// tunneler has a directory stream and no session, so that no connector reports it.
func TestATokenIsSpentOnceItsTunnelerWatchesTheDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	key := enrolltest.NewKey(t)
	first, err := w.enroll.Redeem(t.Context(), redemption(w.token(t, enroll.TokenRequest{}), key))
	require.NoError(t, err)
	_, secret, err := w.enroll.Create(t.Context(), enroll.TokenRequest{Workload: tunneler})
	require.NoError(t, err)
	r := redemption(secret, key)
	r.Workload, r.Facts.BinaryPath = tunneler, "/usr/bin/grpctunneler"
	r.HostCertificate, err = x509.ParseCertificate(first.HostCertificate)
	require.NoError(t, err)
	_, err = w.enroll.Redeem(t.Context(), r)
	require.NoError(t, err)
	_, err = w.enroll.Redeem(t.Context(), r)
	require.NoError(t, err, "the reply may have been lost")
	require.NoError(t, w.policy.Refresh(t.Context()))

	own := w.spireCA.Identity(w.spireCA.SVID(t, tunnelerID, mtlstest.Since(time.Now()), mtlstest.OnHost(first.HostID)))
	conn, _ := dial(t, w.plane.Addr(), own)
	s, err := zerotrustv1.NewDirectoryServiceClient(conn).Watch(patient(t), &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: tunneler.ID, InstanceId: "i", BootId: "b"})
	require.NoError(t, err)
	_, err = s.Recv()
	require.NoError(t, err)
	_, err = w.enroll.Redeem(t.Context(), r)
	require.ErrorIs(t, err, enroll.ErrRefused)
	require.Equal(t, "spent", enroll.RefusalOf(err))
}
