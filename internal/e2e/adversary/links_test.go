package adversary_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// quiet keeps sessions open and says nothing.
type quiet struct {
	zerotrustv1.UnimplementedTunnelServiceServer
}

// Session implements zerotrustv1.TunnelServiceServer.
func (quiet) Session(s zerotrustv1.TunnelService_SessionServer) error {
	<-s.Context().Done()
	return s.Context().Err()
}

// join has a session over memory, in a bubble's fake time, proven at both ends.
func join(t *testing.T, client, server *mtlstest.Identity) (near *mtls.Conn) {
	t.Helper()
	lis := bufconn.Listen(64 << 10)
	s := mtlstest.NewReproofServer(server, anyKind)
	zerotrustv1.RegisterTunnelServiceServer(s, quiet{})
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(lis) }()
	t.Cleanup(func() { s.Stop(); <-served })
	opened := make(chan *mtls.Conn, 1)
	conn, err := grpc.NewClient("passthrough:///connector",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(mtls.ClientCredentials(mtls.ClientConfig(client, anyKind), func(c *mtls.Conn) error {
			opened <- c
			return nil
		})))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		_ = reproof.NewClient(client, zap.NewNop()).Around(ctx, conn, func(ctx context.Context) error {
			stream, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		})
	}()
	t.Cleanup(func() { cancel(); <-over; _ = conn.Close() })
	return <-opened
}

// elapse lets fake time pass.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// istio #7630, envoy #17999, teleport #41826: a certificate was looked at once, and
// a connection that was open when it expired lived on for days.
func TestNoConnectionOutlivesItsCertificates(t *testing.T) {
	t.Parallel()
	const life = 5 * time.Minute
	for name, short := range map[string]string{"of who dialed": tunnelerID, "of who listens": connectorID} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ca := mtlstest.NewCA(t, td)
				ends := map[string]*mtlstest.Identity{}
				for _, id := range []string{tunnelerID, connectorID} {
					ends[id] = ca.Identity(ca.SVID(t, id))
				}
				ends[short].Swap(ca.SVID(t, short, mtlstest.Lifetime(life)))
				link := join(t, ends[tunnelerID], ends[connectorID])
				elapse(life / 2)
				ends[short].Swap(ca.SVID(t, short, mtlstest.Lifetime(life)))
				elapse(life + reproof.Grace - time.Second)
				require.NoError(t, link.Reason(), "a rotation keeps it")
				elapse(time.Second)
				require.Error(t, link.Reason(), "and without one it is cut")
			})
		})
	}
}

// NetBird: after a setup key or peer was revoked, the peers that were connected
// stayed connected. This one does not even read the status it is ended with.
func TestARevokedTunnelerLosesItsSocketAtTheConnector(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector, tunneler)
	s := w.gateway(t).attach(t)
	w.revoke(t, tunneler)
	requireCut(t, s.link)
}

// The same at the controller.
func TestARevokedConnectorLosesItsSocketAtTheController(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector)
	s := w.open(t)
	w.revoke(t, connector)
	requireCut(t, s.link)
}

// late is a roster that hears of the end of the first stream when the test says so.
type late struct {
	control.Attendance

	now, heard chan struct{}
}

// ConnectorDown implements control.Attendance.
func (l *late) ConnectorDown(id string, stream uint64) {
	if stream != 1 {
		l.Attendance.ConnectorDown(id, stream)
		return
	}
	<-l.now
	l.Attendance.ConnectorDown(id, stream)
	close(l.heard)
}

// ziti #4197: the disconnect of an old control channel came in after the new one
// was up and removed it; the router was there and counted as gone.
func TestALateEndOfAnOldControlStreamLeavesTheNewOne(t *testing.T) {
	t.Parallel()
	l := &late{now: make(chan struct{}), heard: make(chan struct{})}
	w := newWorld(t, between{roster: func(real control.Attendance) control.Attendance { l.Attendance = real; return l }})
	w.enrolled(t, connector)
	older := w.open(t)
	newer := w.open(t)
	close(l.now)
	require.Equal(t, codes.Aborted, status.Code(older.end()))
	<-l.heard
	require.Equal(t, presence.Online, w.status())
	newer.beat(t)
	require.NoError(t, newer.link.Reason())
}

// The same at a connector, for the sessions of tunnelers.
func TestALateEndOfAnOldSessionLeavesTheNewOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector, tunneler)
	g := w.gateway(t)
	older := g.attach(t)
	newer := g.attach(t)
	_, err := older.Recv()
	require.Equal(t, codes.Aborted, status.Code(err), "%v", err)
	w.clock.Advance(time.Second)
	require.NoError(t, newer.beat())
	eventually(t, "the newer session is reported on", func() bool {
		p, by, _ := w.roster.Tunneler(tunneler.ID, time.Time{})
		return p.Status == presence.Online && by == connector.ID && p.LastSeen.Equal(w.clock.Now())
	})
}

// boundary #1899: a worker that had lost its controller cut all sessions after 15 s.
func TestSessionsLiveOnWithoutAController(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector, tunneler)
	g := w.gateway(t)
	s := g.attach(t)
	w.stop()
	eventually(t, "the connector has lost its controller", func() bool { return g.ControlReady(t.Context()) != nil })
	require.NoError(t, s.beat())
	require.NoError(t, g.attach(t).beat(), "a new one")
}

// ziti #2007, firezone #3124: who was shown as online was not, and the other way round.
func TestOnlineIsWhoWasHeardOfNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector)
	require.Equal(t, presence.Offline, w.status(), "enrolled is not online")
	s := w.open(t)
	require.Equal(t, presence.Online, w.status())
	w.clock.Advance(presence.OfflineAfter + time.Second)
	require.Equal(t, presence.Offline, w.status(), "its stream is open, and nobody speaks on it")
	s.beat(t)
	eventually(t, "ONLINE by a heartbeat", func() bool { return w.status() == presence.Online })
	s.link.Close(nil)
	eventually(t, "OFFLINE by the end of the stream", func() bool { return w.status() == presence.Offline })
}

// tailscale #6738, netbird #5674: two machines from one disk image shared one
// identity, pushed each other out, and nobody was told.
func TestTwoMachinesWithOneIdentityAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, between{})
	w.enrolled(t, connector)
	clone := func() *fleet.Clone {
		all, err := w.fleet.Connectors(t.Context())
		require.NoError(t, err)
		return all[0].Clone
	}
	for _, instance := range []string{"original", "original", "clone"} {
		w.openAs(t, instance)
		require.Nil(t, clone(), "one machine that restarts does as much")
	}
	w.openAs(t, "original")
	c := clone()
	require.NotNil(t, c)
	require.Equal(t, []string{"original", "clone"}, []string{c.Sightings[0].InstanceID, c.Sightings[1].InstanceID})
	require.NotEqual(t, c.Sightings[0].Address, c.Sightings[1].Address)
}
