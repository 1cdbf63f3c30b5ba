package adversary_test

import (
	"context"
	"crypto/x509"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	td        = spiffeid.RequireTrustDomainFromString("mycorp.internal")
	connector = identity.Workload{Kind: identity.KindConnector, ID: "gw"}
	tunneler  = identity.Workload{Kind: identity.KindTunneler, ID: "laptop"}
	anyKind   = mtls.Kinds(td, identity.KindController, identity.KindConnector, identity.KindTunneler)
)

const (
	controllerID = "spiffe://mycorp.internal/controller/c1"
	connectorID  = "spiffe://mycorp.internal/connector/gw"
	tunnelerID   = "spiffe://mycorp.internal/tunneler/laptop"
	victimID     = "spiffe://mycorp.internal/tunneler/victim"
)

// soon bounds every wait. What is waited for takes milliseconds; a mutant waits it out.
const soon = 4 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, soon, 2*time.Millisecond, what)
}

// between are the places where a test stands between two parts of the controller.
type between struct {
	roster   func(control.Attendance) control.Attendance
	redeemer func(control.Redeemer) control.Redeemer
	store    func(enroll.Store) enroll.Store
	audit    control.AuditLog // nil: connectors are shown none
	recall   control.Recall   // nil: this controller was never restored
	key      *controltest.Log // signs denials; nil: they are not signed
}

// world is a controller with both gRPC listeners on loopback: everything real but
// SPIRE, which is in memory.
type world struct {
	spireCA *mtlstest.CA
	ca      *bootstrapca.CA
	store   *store.Store
	clock   *hosttest.Clock
	roster  *presence.Roster
	fleet   *fleet.Fleet
	policy  *policy.Publisher
	enroll  *enroll.Service
	// collector has what peers report, until it is flushed.
	collector *audit.Collector
	door      *control.Server // for whoever enrolls
	plane     *control.Server
	stop      func() // the controller goes
}

func newWorld(t *testing.T, b between) *world {
	t.Helper()
	w := &world{spireCA: mtlstest.NewCA(t, td), clock: hosttest.NewClock(time.Now().Truncate(time.Microsecond))}
	var err error
	w.store, err = store.Open(t.Context(), storetest.File(t, filepath.Join(t.TempDir(), "controller.db")))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.store.Close()) })
	w.ca, err = bootstrapca.Open(t.TempDir(), td, time.Now)
	require.NoError(t, err)
	trail := audit.New(zap.NewNop(), time.Now)
	w.collector = audit.NewCollector(w.store, trail)
	w.roster = presence.NewRoster(w.clock.Now)
	w.policy = policy.NewPublisher(td, w.store, zap.NewNop(), time.Now)
	w.fleet = fleet.New(fleet.Config{Store: w.store, Roster: w.roster, Changed: w, Audit: trail, Now: time.Now})
	var tokens enroll.Store = w.store
	if b.store != nil {
		tokens = b.store(tokens)
	}
	w.enroll = enroll.New(enroll.Config{
		TrustDomain: td, Store: tokens, Signer: w.ca, SPIRE: enrolltest.NewSPIRE(td), Changed: w, Audit: trail, Log: zap.NewNop(), Now: time.Now,
	})
	require.NoError(t, w.policy.Refresh(t.Context()))
	w.serve(t, b)
	return w
}

func (w *world) serve(t *testing.T, b between) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var roster control.Attendance = w.roster
	if b.roster != nil {
		roster = b.roster(roster)
	}
	var redeemer control.Redeemer = w.enroll
	if b.redeemer != nil {
		redeemer = b.redeemer(redeemer)
	}
	log, own := zap.NewNop(), w.spireCA.Identity(w.spireCA.SVID(t, controllerID))
	endpoints := control.Endpoints{SPIREServer: "203.0.113.1:8081"}
	w.door = control.NewEnrollmentServer(listen(t), w.ca.ServerConfig(), &control.Enrollment{
		TrustDomain: td, Redeemer: redeemer, Bundles: bundles{w.spireCA.Authority()}, Hosts: w.store, Renewer: w.enroll, Anchors: w.ca, Policy: w.policy, Endpoints: func() control.Endpoints { return endpoints }, Log: log,
	}, log)
	var signer denial.Signer
	returns := control.Returns{TakeBack: w.fleet.TakeBack}
	if b.key != nil {
		signer, returns.Key = b.key, b.key.Key
	}
	w.plane = control.NewControlServer(listen(t), control.Peers{Identity: own, Authorize: anyKind},
		&control.ControlPlane{Fleet: w.fleet, Roster: roster, Policy: w.policy, Endpoints: func() control.Endpoints { return endpoints }, Audit: b.audit, Stopping: ctx.Done(), Reports: w.collector, Log: log, Recall: b.recall, Signer: signer, Returns: returns},
		&control.Directory{Fleet: w.fleet, Roster: roster, Policy: w.policy, Endpoints: func() control.Endpoints { return endpoints }, Stopping: ctx.Done(), Reports: w.collector, Log: log}, log)
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{w.door.Run, w.plane.Run, w.policy.Run} {
		running.Go(func() { assert.NoError(t, run(ctx)) })
	}
	w.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(w.stop)
}

// MembersChanged implements fleet.Changed as the program does.
func (w *world) MembersChanged(revoked []fleet.Member) {
	for _, m := range revoked {
		w.roster.Forget(m.Workload)
	}
}

type bundles struct{ authority *x509.Certificate }

func (b bundles) Bundle(context.Context) ([]*x509.Certificate, error) {
	return []*x509.Certificate{b.authority}, nil
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return lis
}

// enrolled has members that enrolled ten minutes ago, each on a host of its own.
func (w *world) enrolled(t *testing.T, members ...identity.Workload) {
	t.Helper()
	ago := time.Now().Add(-10 * time.Minute)
	require.NoError(t, w.store.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		for _, who := range members {
			host := mtlstest.HostOf(who.String())
			agent, err := host.AgentID(td)
			if err != nil {
				return err
			}
			if err := tx.PutHost(t.Context(), fleet.Host{ID: host, AgentID: agent, KeyHash: []byte(host), EnrolledAt: ago}); err != nil {
				return err
			}
			if err := tx.PutMember(t.Context(), fleet.Member{Workload: who, HostID: host, EnrolledAt: ago}); err != nil {
				return err
			}
		}
		return tx.BumpPolicy(t.Context())
	}))
	require.NoError(t, w.policy.Refresh(t.Context()))
}

func (w *world) revoke(t *testing.T, who identity.Workload) {
	t.Helper()
	require.NoError(t, w.fleet.Revoke(t.Context(), fleet.Revocation{Workload: who, Actor: "key:test"}))
}

func (w *world) svid(t *testing.T, id string) *mtlstest.Identity {
	t.Helper()
	return w.spireCA.Identity(w.spireCA.SVID(t, id, mtlstest.OnHost(mtlstest.HostOf(strings.TrimPrefix(id, "spiffe://mycorp.internal/")))))
}

// dial connects as own, and says which connection it was when an RPC has opened it.
func dial(t *testing.T, addr net.Addr, own mtls.Identity) (*grpc.ClientConn, <-chan *mtls.Conn) {
	t.Helper()
	opened := make(chan *mtls.Conn, 1)
	conn, err := grpc.NewClient("passthrough:///"+addr.String(),
		grpc.WithTransportCredentials(mtls.ClientCredentials(mtls.ClientConfig(own, anyKind), func(c *mtls.Conn) error {
			select {
			case opened <- c:
			default: // gRPC dialed again after a cut
			}
			return nil
		})))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn, opened
}

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*soon)
	t.Cleanup(cancel)
	return ctx
}

// controlStream is a control stream as a connector sees it.
type controlStream struct {
	zerotrustv1.ControlPlaneService_ConnectClient

	link *mtls.Conn
}

// open says hello and has read the first policy.
func (w *world) open(t *testing.T) *controlStream {
	t.Helper()
	return w.openAs(t, "i")
}

// openAs is open by the program that was started under this instance id.
func (w *world) openAs(t *testing.T, instance string) *controlStream {
	t.Helper()
	conn, opened := dial(t, w.plane.Addr(), w.svid(t, connectorID))
	s, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(patient(t))
	require.NoError(t, err)
	require.NoError(t, s.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Hello{
		Hello: &zerotrustv1.ConnectorHello{Protocol: wire.Protocol, ConnectorId: connector.ID, Version: "v1", InstanceId: instance, BootId: "b"},
	}}))
	m, err := s.Recv()
	for err == nil && m.GetDenials() != nil {
		m, err = s.Recv()
	}
	require.NoError(t, err)
	require.NotNil(t, m.GetPolicy())
	return &controlStream{s, <-opened}
}

func (s *controlStream) beat(t *testing.T) {
	t.Helper()
	require.NoError(t, s.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Heartbeat{
		Heartbeat: &zerotrustv1.ConnectorHeartbeat{ConnectorId: connector.ID},
	}}))
}

// end reads until the stream ends and returns how.
func (s *controlStream) end() error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

func (w *world) status() presence.Status { return w.roster.Connector(connector.ID, time.Time{}).Status }

// gateway is a real connector, linked to the controller.
type gateway struct {
	*relay.Relay

	of   *world
	addr net.Addr
}

func (w *world) gateway(t *testing.T) *gateway {
	t.Helper()
	lis := listen(t)
	r, err := relay.New(relay.Config{
		ID: connector.ID, TrustDomain: td, Version: "v1", Identity: w.svid(t, connectorID), Listener: lis, PrivateIP: "127.0.0.1",
		ControlAddresses: []string{w.plane.Addr().String()}, Timing: relay.Timing{Drain: time.Second}, Log: zap.NewNop(),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { cancel(); assert.NoError(t, <-done) })
	eventually(t, "the connector is linked", func() bool { return r.ControlReady(t.Context()) == nil && r.PolicyReady(t.Context()) == nil })
	return &gateway{Relay: r, of: w, addr: lis.Addr()}
}

// tunnel is a session as a tunneler sees it.
type tunnel struct {
	zerotrustv1.TunnelService_SessionClient

	link *mtls.Conn
	last uint64 // sequence of the newest message
}

// attach opens a session, which must be admitted.
func (g *gateway) attach(t *testing.T) *tunnel {
	t.Helper()
	conn, opened := dial(t, g.addr, g.of.svid(t, tunnelerID))
	s, err := zerotrustv1.NewTunnelServiceClient(conn).Session(patient(t))
	require.NoError(t, err)
	n := &tunnel{TunnelService_SessionClient: s}
	require.NoError(t, n.beat())
	n.link = <-opened
	return n
}

// beat sends a heartbeat and waits for its acknowledgement.
func (n *tunnel) beat() error {
	// Where Send fails, Recv says why.
	n.last++
	_ = n.Send(&zerotrustv1.SessionRequest{Sequence: n.last, Heartbeat: &zerotrustv1.TunnelerHeartbeat{TunnelerId: tunneler.ID, Version: "v1"}})
	_, err := n.Recv()
	return err
}

// requireCut waits for the end of a connection's socket.
func requireCut(t *testing.T, link *mtls.Conn) {
	t.Helper()
	select {
	case <-link.Closed():
	case <-time.After(soon):
		require.FailNow(t, "the socket is still open")
	}
}
