package reproof_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const (
	connectorID = "spiffe://mycorp.internal/connector/local-01"
	tunnelerID  = "spiffe://mycorp.internal/tunneler/local-01"
)

// sessions is a service with a stream that says nothing, to have something whose
// life the tests can watch. It ends when its connection does.
type sessions struct {
	zerotrustv1.UnimplementedTunnelServiceServer

	opened chan *mtls.Conn
}

func (s *sessions) Session(stream zerotrustv1.TunnelService_SessionServer) error {
	s.opened <- mtls.ConnOf(stream.Context())
	_, err := stream.Recv()
	return err
}

// link is a tunneler's connection to a connector over memory, inside a bubble
// whose time is fake. Everything above the socket is real.
type link struct {
	ca             *mtlstest.CA
	client, server *mtlstest.Identity
	far            *reproof.Server
	near           *reproof.Client
	atServer       *mtls.Conn
	logs           *observer.ObservedLogs

	stopServer func() // its program stops
	over       chan error
	hangUp     func()
}

// connect opens a link between SVIDs of an hour.
func connect(t *testing.T) *link {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	return connectAs(t, ca, ca.Identity(ca.SVID(t, tunnelerID)), ca.Identity(ca.SVID(t, connectorID)))
}

func connectAs(t *testing.T, ca *mtlstest.CA, client, server *mtlstest.Identity) *link {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	stopping := make(chan struct{})
	l := &link{
		ca: ca, client: client, server: server, logs: logs, over: make(chan error, 1),
		far: reproof.NewServer(reproof.ServerConfig{
			Identity: server, Conns: mtls.NewConns(8), Stopping: stopping, Log: zap.New(core),
		}),
		near:       reproof.NewClient(client, zap.New(core)),
		stopServer: sync.OnceFunc(func() { close(stopping) }),
	}
	listener, opened := serve(t, l.far, server)
	conn := dial(t, listener, client)
	ctx, cancel := context.WithCancel(t.Context())
	l.hangUp = cancel
	go func() {
		l.over <- l.near.Around(ctx, conn, func(ctx context.Context) error {
			s, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
			if err != nil {
				return err
			}
			_, err = s.Recv()
			return err
		})
	}()
	select {
	case l.atServer = <-opened:
	case err := <-l.over:
		require.NoError(t, err)
	}
	synctest.Wait()
	return l
}

// serve runs a connector's listener until the test ends.
func serve(t *testing.T, far *reproof.Server, own mtls.Identity, opts ...grpc.ServerOption) (*bufconn.Listener, <-chan *mtls.Conn) {
	t.Helper()
	listener := bufconn.Listen(64 << 10)
	server := grpc.NewServer(append(opts, far.Options(mtls.ServerConfig(own, mtls.Kinds(td, identity.KindTunneler)))...)...)
	far.Register(server)
	s := &sessions{opened: make(chan *mtls.Conn, 8)}
	zerotrustv1.RegisterTunnelServiceServer(server, s)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Stop(); <-done })
	return listener, s.opened
}

func dial(t *testing.T, listener *bufconn.Listener, own mtls.Identity) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///connector",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(mtls.ClientCredentials(mtls.ClientConfig(own, mtls.Kinds(td, identity.KindConnector)))))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// elapse lets fake time pass.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// ended returns why the client's link is over, nil while it is not.
func (l *link) ended() error {
	select {
	case err := <-l.over:
		return err
	default:
		return nil
	}
}

func (l *link) requireOpen(t *testing.T) {
	t.Helper()
	require.NoError(t, l.ended())
	require.NoError(t, l.atServer.Reason())
}

// hang ends the link, for a test that is through with it.
func (l *link) hang(t *testing.T) {
	t.Helper()
	l.hangUp()
	require.Error(t, <-l.over)
}

func newServer(own *mtlstest.Identity) *reproof.Server {
	return reproof.NewServer(reproof.ServerConfig{Identity: own, Conns: mtls.NewConns(8), Log: zap.NewNop()})
}

func nop() *zap.Logger { return zap.NewNop() }

// intruder is a tunneler whose program is not ours: it speaks raw gRPC.
type intruder struct {
	far    *reproof.Server
	conn   *grpc.ClientConn
	opened <-chan *mtls.Conn
}

func intrude(t *testing.T) *intruder {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	server := ca.Identity(ca.SVID(t, connectorID))
	p := &intruder{far: newServer(server)}
	listener, opened := serve(t, p.far, server)
	p.conn, p.opened = dial(t, listener, ca.Identity(ca.SVID(t, tunnelerID))), opened
	return p
}

// prove opens a stream and says nothing on it.
func (p *intruder) prove(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := zerotrustv1.NewReproofServiceClient(p.conn).Prove(ctx)
	require.NoError(t, err)
	_, err = s.Recv()
	require.NoError(t, err, "the challenge")
	return cancel
}
