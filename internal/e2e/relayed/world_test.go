package relayed_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog/changelogtest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

// soon bounds every wait; what is waited for takes milliseconds.
const soon = 10 * time.Second

const gateway, honest, hostile = "gw", "honest", "hostile"

// members are enrolled for ever.
type members struct{ changelogtest.Still }

func (members) PolicyRevision(context.Context) (uint64, error) { return 7, nil }

func (members) Connectors(context.Context) ([]fleet.Connector, error) {
	return []fleet.Connector{{Member: member(identity.KindConnector, gateway)}}, nil
}

func (members) Denials(context.Context, uint64, time.Time) ([]fleet.Denial, error) { return nil, nil }

func (members) Tunnelers(context.Context) (out []fleet.Tunneler, err error) {
	for _, id := range []string{honest, hostile} {
		out = append(out, fleet.Tunneler{Member: member(identity.KindTunneler, id)})
	}
	return out, nil
}

func member(kind identity.Kind, id string) fleet.Member {
	return fleet.Member{Workload: identity.Workload{Kind: kind, ID: id}, EnrolledAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

// door admits every member.
type door struct{}

func (door) AdmitConnector(context.Context, fleet.Hello, identity.Issue) error { return nil }
func (door) AdmitTunneler(context.Context, fleet.Hello, identity.Issue) error  { return nil }
func (door) HelloWanted(identity.Workload) <-chan struct{}                     { return nil }

// roster is the real one, and tells of the hostile tunneler's reports and of control
// streams.
type roster struct {
	*presence.Roster

	streams atomic.Int64
	last    chan presence.Report // of the hostile tunneler, when its session has ended
}

func (r *roster) ConnectorUp(a presence.Arrival, remoteAddr string, svid presence.SVID) uint64 {
	r.streams.Add(1)
	return r.Roster.ConnectorUp(a, remoteAddr, svid)
}

func (r *roster) TunnelerReport(connector string, p presence.Report) {
	r.Roster.TunnelerReport(connector, p)
	if p.TunnelerID == hostile && p.Detached {
		r.last <- p
	}
}

// refusals takes what the connector says of sessions that it cut.
type refusals struct{ counted atomic.Uint64 }

func (*refusals) Renewed(audit.Renewal) {}

func (r *refusals) Sessions(_ string, refused []audit.SessionRefusal, more uint64) {
	r.counted.Add(uint64(len(refused)) + more)
}

func (*refusals) Proofs(string, []audit.ProofRefusal, uint64) {}

// world is a controller's control plane, a connector linked to it and an honest
// tunneler's session.
type world struct {
	ca      *mtlstest.CA
	roster  *roster
	refused *refusals
	down    *bufconn.Listener // the connector's
	relay   *relay.Relay
	stream  zerotrustv1.TunnelService_SessionClient // of the honest tunneler
	sent    uint64
	beaten  time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		ca: mtlstest.NewCA(t, td), refused: &refusals{}, down: bufconn.Listen(256 << 10),
		roster: &roster{Roster: presence.NewRoster(time.Now), last: make(chan presence.Report, 16)},
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	up := bufconn.Listen(256 << 10)
	published := policy.NewPublisher(td, members{}, zap.NewNop(), time.Now)
	require.NoError(t, published.Refresh(ctx))
	endpoints := func() control.Endpoints { return control.Endpoints{} }
	plane := control.NewControlServer(up,
		control.Peers{Identity: w.own(t, "controller/c1"), Authorize: mtls.Kinds(td, identity.KindConnector, identity.KindTunneler)},
		&control.ControlPlane{Fleet: door{}, Roster: w.roster, Policy: published, Endpoints: endpoints, Reports: w.refused, Stopping: ctx.Done(), Log: zap.NewNop()},
		&control.Directory{Fleet: door{}, Roster: w.roster, Policy: published, Endpoints: endpoints, Stopping: ctx.Done(), Log: zap.NewNop()}, zap.NewNop())
	running.Go(func() { assert.NoError(t, plane.Run(ctx)) })
	var err error
	w.relay, err = relay.New(relay.Config{
		ID: gateway, TrustDomain: td, Version: "v1", Identity: w.own(t, "connector/"+gateway), Listener: w.down, PrivateIP: "10.0.0.7",
		ControlAddresses: []string{"controller:1"}, Dial: over(up), Log: zap.NewNop(),
		Timing: relay.Timing{Drain: time.Second, Refusals: 50 * time.Millisecond},
	})
	require.NoError(t, err)
	running.Go(func() { assert.NoError(t, w.relay.Run(ctx)) })
	require.Eventually(t, func() bool { return w.relay.PolicyReady(ctx) == nil }, soon, time.Millisecond)
	w.stream, err = zerotrustv1.NewTunnelServiceClient(w.dial(t, honest)).Session(ctx)
	require.NoError(t, err)
	w.beat(t)
	require.Eventually(t, func() bool { return w.online(honest) }, soon, time.Millisecond)
	return w
}

func over(l *bufconn.Listener) func(context.Context, string) (net.Conn, error) {
	return func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }
}

func (w *world) own(t testing.TB, path string) *mtlstest.Identity {
	t.Helper()
	return w.ca.Identity(w.ca.SVID(t, "spiffe://mycorp.internal/"+path))
}

// dial connects as a tunneler that proves itself on the connection, until the test ends.
func (w *world) dial(t testing.TB, tunneler string) *grpc.ClientConn {
	t.Helper()
	own := w.own(t, "tunneler/"+tunneler)
	conn, err := grpc.NewClient("passthrough:///connector", grpc.WithContextDialer(over(w.down)),
		grpc.WithTransportCredentials(mtls.ClientCredentials(mtls.ClientConfig(own, mtls.Kinds(td, identity.KindConnector)))))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	proving := make(chan struct{})
	go func() {
		defer close(proving)
		_ = reproof.NewClient(own, zap.NewNop()).Around(ctx, conn, func(ctx context.Context) error { <-ctx.Done(); return nil })
	}()
	t.Cleanup(func() { cancel(); <-proving; _ = conn.Close() })
	return conn
}

// beat is a heartbeat of the honest tunneler, as often as it may have one.
func (w *world) beat(t testing.TB) {
	t.Helper()
	if time.Since(w.beaten) < time.Second {
		return
	}
	w.beaten = time.Now()
	w.sent++
	require.NoError(t, w.stream.Send(&zerotrustv1.SessionRequest{Sequence: w.sent, Heartbeat: &zerotrustv1.TunnelerHeartbeat{TunnelerId: honest, Version: "v1"}}))
	m, err := w.stream.Recv()
	require.NoError(t, err, "the honest tunneler's session")
	require.Equal(t, w.sent, m.GetAck().GetAcknowledges())
}

func (w *world) online(tunneler string) bool {
	p, by, _ := w.roster.Tunneler(tunneler, time.Time{})
	return p.Status == presence.Online && by == gateway
}

// requireUnharmed: nobody but the sender noticed anything.
func (w *world) requireUnharmed(t testing.TB) {
	t.Helper()
	w.beat(t)
	require.Equal(t, int64(1), w.roster.streams.Load(), "the connector has its first control stream")
	require.NoError(t, w.relay.ControlReady(t.Context()))
	require.Equal(t, presence.Online, w.roster.Connector(gateway, time.Time{}).Status)
	require.True(t, w.online(honest), "the honest tunneler is ONLINE")
}
