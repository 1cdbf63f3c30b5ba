package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const (
	controllerID = "spiffe://mycorp.internal/controller/c1"
	connectorID  = "spiffe://mycorp.internal/connector/gw"
	laptopID     = "spiffe://mycorp.internal/tunneler/laptop"
	phoneID      = "spiffe://mycorp.internal/tunneler/phone"
)

// soon bounds every wait of these tests.
const soon = 10 * time.Second

// anyAddress has startController choose one.
const anyAddress = "127.0.0.1:0"

// fakeController takes control streams and says what a test tells it to.
type fakeController struct {
	zerotrustv1.UnimplementedControlPlaneServiceServer

	addr    string
	own     *mtlstest.Identity
	streams chan *fakeStream
	server  *grpc.Server
	served  chan struct{}
}

// fakeStream is one control stream at the controller.
type fakeStream struct {
	zerotrustv1.ControlPlaneService_ConnectServer

	got  chan *zerotrustv1.ConnectRequest
	over chan struct{} // closed when the connector's side has ended
	hang chan error    // ends the stream
}

func startController(t *testing.T, ca *mtlstest.CA, addr, svid string) *fakeController {
	t.Helper()
	if addr == anyAddress {
		addr = hosttest.Address(t) // which is nobody else's when this one has stopped
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
	require.NoError(t, err)
	own := ca.Identity(ca.SVID(t, svid))
	f := &fakeController{
		addr: l.Addr().String(), own: own, streams: make(chan *fakeStream, 16), served: make(chan struct{}),
		server: mtlstest.NewReproofServer(own, mtls.Kinds(td, identity.KindConnector)),
	}
	zerotrustv1.RegisterControlPlaneServiceServer(f.server, f)
	go func() {
		defer close(f.served)
		_ = f.server.Serve(l)
	}()
	t.Cleanup(f.stop)
	return f
}

func (f *fakeController) stop() {
	f.server.Stop()
	<-f.served
}

func (f *fakeController) Connect(stream zerotrustv1.ControlPlaneService_ConnectServer) error {
	s := &fakeStream{
		ControlPlaneService_ConnectServer: stream, got: make(chan *zerotrustv1.ConnectRequest, 1024),
		over: make(chan struct{}), hang: make(chan error, 1),
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(s.over)
		for {
			m, err := stream.Recv()
			if err != nil {
				return
			}
			s.got <- m
		}
	})
	f.streams <- s
	select {
	case err := <-s.hang:
		return err
	case <-s.over:
		return nil
	}
}

func (f *fakeController) next(t *testing.T) *fakeStream {
	t.Helper()
	select {
	case s := <-f.streams:
		return s
	case <-time.After(soon):
		require.FailNow(t, "no control stream")
		return nil
	}
}

// until returns the first message for which match is true.
func (s *fakeStream) until(t *testing.T, what string, match func(*zerotrustv1.ConnectRequest) bool) *zerotrustv1.ConnectRequest {
	t.Helper()
	deadline := time.After(soon)
	for {
		select {
		case m := <-s.got:
			if match(m) {
				return m
			}
		case <-deadline:
			require.FailNow(t, "the connector did not send "+what)
			return nil
		}
	}
}

func (s *fakeStream) hello(t *testing.T) *zerotrustv1.ConnectorHello {
	t.Helper()
	return s.until(t, "a hello", func(m *zerotrustv1.ConnectRequest) bool { return m.GetHello() != nil }).GetHello()
}

func (s *fakeStream) report(t *testing.T, id string, detached bool) *zerotrustv1.TunnelerReport {
	t.Helper()
	return s.until(t, "a report of "+id, func(m *zerotrustv1.ConnectRequest) bool {
		return m.GetTunneler().GetTunnelerId() == id && m.GetTunneler().GetDetached() == detached
	}).GetTunneler()
}

func (s *fakeStream) applied(t *testing.T, revision uint64) {
	t.Helper()
	s.until(t, "the applied revision", func(m *zerotrustv1.ConnectRequest) bool {
		return m.GetHeartbeat().GetAppliedPolicyRevision() == revision
	})
}

// policy sends a whole policy that names these tunnelers.
func (s *fakeStream) policy(t *testing.T, revision uint64, ids ...string) {
	t.Helper()
	s.sendPolicy(t, revision, &zerotrustv1.PolicyUpdate{IssuedAt: timestamppb.Now()}, named(ids...)...)
}

func named(ids ...string) (out []*zerotrustv1.PolicyTunneler) {
	for _, id := range ids {
		out = append(out, &zerotrustv1.PolicyTunneler{SpiffeId: id})
	}
	return out
}

func (s *fakeStream) sendPolicy(t *testing.T, revision uint64, end *zerotrustv1.PolicyUpdate, all ...*zerotrustv1.PolicyTunneler) {
	t.Helper()
	s.send(t, controltest.Policy(revision, end, all...)...)
}

func (s *fakeStream) send(t *testing.T, parts ...*zerotrustv1.PolicyUpdate) {
	t.Helper()
	for _, p := range parts {
		require.NoError(t, s.Send(&zerotrustv1.ConnectResponse{Message: &zerotrustv1.ConnectResponse_Policy{Policy: p}}))
	}
}

// asksForAll waits until the connector asks for the whole policy.
func (s *fakeStream) asksForAll(t *testing.T) {
	t.Helper()
	s.until(t, "a request for the whole policy", func(m *zerotrustv1.ConnectRequest) bool { return m.GetResync() != nil })
}

// world is a connector with its authority and, most of the time, a controller.
type world struct {
	ca       *mtlstest.CA
	identity *mtlstest.Identity
	relay    *relay.Relay
	addr     string
	stop     func()
}

type option func(*relay.Config)

func withState(dir string) option { return func(c *relay.Config) { c.StateDir = dir } }

func startConnector(t *testing.T, ca *mtlstest.CA, controller string, opts ...option) *world {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &world{ca: ca, identity: ca.Identity(ca.SVID(t, connectorID)), addr: l.Addr().String()}
	cfg := relay.Config{
		ID: "gw", TrustDomain: td, Version: "1.2.3", Identity: w.identity, Listener: l,
		ControlAddresses: []string{controller}, Timing: relay.Timing{Drain: time.Second, LastWords: time.Second}, Log: zap.NewNop(),
	}
	for _, opt := range opts {
		opt(&cfg)
	}
	w.relay, err = relay.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.relay.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(t, <-done)
	})
	t.Cleanup(w.stop)
	return w
}

// linked is a connector whose controller has sent a policy.
func linked(t *testing.T, ids ...string) (*world, *fakeController, *fakeStream) {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	c := startController(t, ca, anyAddress, controllerID)
	w := startConnector(t, ca, c.addr)
	s := c.next(t)
	s.hello(t)
	s.policy(t, 1, ids...)
	s.applied(t, 1)
	return w, c, s
}

// tunnel is one session as a tunneler sees it.
type tunnel struct {
	zerotrustv1.TunnelService_SessionClient

	id   string
	last uint64 // sequence of the newest message
}

// attempt opens a session as whoever own is, says to be id and waits for the
// answer.
func (w *world) attempt(t *testing.T, own mtls.Identity, id string) (*tunnel, error) {
	t.Helper()
	s, err := w.open(t, own, id)
	if err == nil {
		err = s.beat()
	}
	return s, err
}

// open opens a session that has not said anything yet. It ends with the test.
func (w *world) open(t *testing.T, own mtls.Identity, id string) (*tunnel, error) {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+w.addr,
		grpc.WithTransportCredentials(credentials.NewTLS(mtls.ClientConfig(own, mtls.Kinds(td, identity.KindConnector)))))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	t.Cleanup(func() { cancel(); _ = conn.Close() })
	stream, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
	if err != nil {
		return nil, err
	}
	return &tunnel{TunnelService_SessionClient: stream, id: id}, nil
}

// attach opens a session that must succeed.
func (w *world) attach(t *testing.T, id string, opts ...mtlstest.Option) *tunnel {
	t.Helper()
	s, err := w.attempt(t, w.ca.Identity(w.ca.SVID(t, "spiffe://mycorp.internal/tunneler/"+id, opts...)), id)
	require.NoError(t, err)
	return s
}

// say sends the next message; without a heartbeat it is a probe.
func (s *tunnel) say(heartbeat bool) error {
	s.last++
	msg := &zerotrustv1.SessionRequest{Sequence: s.last}
	if heartbeat {
		msg.Heartbeat = &zerotrustv1.TunnelerHeartbeat{TunnelerId: s.id, Version: "1.2.3"}
	}
	if err := s.Send(msg); err != nil && !errors.Is(err, io.EOF) { // Recv knows the status
		return err
	}
	return nil
}

// hear waits for the acknowledgement of message n, the n-th of the connector's.
func (s *tunnel) hear(n uint64) error {
	m, err := s.Recv()
	if err == nil && (m.GetSequence() != n || m.GetAck().GetAcknowledges() != n) {
		err = fmt.Errorf("got %v instead of acknowledgement %d", m, n)
	}
	return err
}

// beat sends one heartbeat and waits for its acknowledgement.
func (s *tunnel) beat() error {
	if err := s.say(true); err != nil {
		return err
	}
	return s.hear(s.last)
}

// ends waits for the session's end and returns its status.
func (s *tunnel) ends(t *testing.T) error {
	t.Helper()
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

func requireStatus(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	require.Equal(t, code, status.Code(err), "%v", err)
	require.ErrorContains(t, err, text)
}
