package flow_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// soon is when a test gives up.
const soon = 30 * time.Second

// opening is what a dialer does in the place of dialing.
type opening func(ctx context.Context, f *flow.Flow) (net.Conn, error)

// dialer is a flow.Handler that allows everything and dials 127.0.0.1 at the port.
type dialer struct {
	mu     sync.Mutex
	open   opening // nil dials
	opened []*flow.Flow
	ends   chan flow.End
}

func (d *dialer) Open(ctx context.Context, f *flow.Flow) (net.Conn, error) {
	d.mu.Lock()
	d.opened = append(d.opened, f)
	open := d.open
	d.mu.Unlock()
	if open != nil {
		return open(ctx, f)
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(f.Target.Port))))
}

func (d *dialer) Ended(_ *flow.Flow, e flow.End) { d.ends <- e }

// instead has each open done by fn from now on; nil dials again.
func (d *dialer) instead(fn opening) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = fn
}

// failing is an opening that fails.
func failing(err error) opening {
	return func(context.Context, *flow.Flow) (net.Conn, error) { return nil, err }
}

// untilCut is an opening that never connects.
func untilCut(ctx context.Context, _ *flow.Flow) (net.Conn, error) {
	<-ctx.Done()
	return nil, context.Cause(ctx)
}

func (d *dialer) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.opened)
}

func (d *dialer) last() *flow.Flow {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opened[len(d.opened)-1]
}

// end is how the next flow ended.
func (d *dialer) end(t testing.TB) flow.End {
	t.Helper()
	select {
	case e := <-d.ends:
		return e
	case <-time.After(soon):
		t.Fatal("no flow has ended")
		return flow.End{}
	}
}

// gateway is a connector: gRPC and flows on one listener.
type gateway struct {
	*flow.Acceptor

	name     string
	addr     string
	identity *mtlstest.Identity
	handler  *dialer
	sessions chan *mtls.Conn // its end of the connections of gRPC
	stop     func()
	drain    time.Duration // what stop gives flows
	ears     *ears
	server   *grpc.Server
	mu       sync.Mutex
	expire   func(error) // of the last lost session
	bad      []error
}

func (g *gateway) faults() []error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]error(nil), g.bad...)
}

func (g *gateway) lapse(why error) {
	g.mu.Lock()
	over := g.expire
	g.mu.Unlock()
	over(why)
}

func startGateway(t testing.TB, ca *mtlstest.CA, name string, change ...func(*flow.AcceptorConfig)) *gateway {
	t.Helper()
	g := &gateway{
		name: name, identity: ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/connector/"+name)),
		handler: &dialer{ends: make(chan flow.End, 1024)}, sessions: make(chan *mtls.Conn, 16), drain: time.Second, ears: &ears{},
	}
	cfg := flow.AcceptorConfig{
		Handler: g.handler, Admit: func(*mtls.Conn) error { return nil }, Log: zap.NewNop(),
		Lapse: func(_ *mtls.Conn, over func(error)) func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.expire = over
			return func() {}
		},
		Misbehaved: func(_ *mtls.Conn, err error) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.bad = append(g.bad, err)
		},
	}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	g.Acceptor, err = flow.NewAcceptor(cfg)
	require.NoError(t, err)
	own := mtls.WithFlows(mtls.ServerCredentials(mtls.ServerConfig(g.identity, mtls.Kinds(td, identity.KindTunneler)), func(c *mtls.Conn) error {
		g.sessions <- c
		return nil
	}), g)
	g.server = grpc.NewServer(grpc.Creds(rpcauth.Credentials(own)), grpc.ConnectionTimeout(soon))
	healthpb.RegisterHealthServer(g.server, health.NewServer())
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g.addr = l.Addr().String()
	var running sync.WaitGroup
	running.Go(func() {
		_ = g.server.Serve(sourcelimit.NewListener(deaf{l, g.ears}, sourcelimit.Caps{Most: 10000, Anonymous: 1000, AnonymousFrom: 1000}))
	})
	g.stop = sync.OnceFunc(func() {
		g.Drain(g.drain)
		g.server.Stop()
		running.Wait()
	})
	t.Cleanup(g.stop)
	return g
}

// ears is what a gateway reads with. While they are shut, what tunnelers send waits in the
// kernel, and so does that they have gone.
type ears struct {
	shut sync.RWMutex

	mu    sync.Mutex
	conns []*net.TCPConn
}

// reopen unlocks shut once those that have sent something on one of the first n connections
// have also gone.
func (e *ears) reopen(t testing.TB, n int) {
	t.Helper()
	defer e.shut.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	eventually(t, "whoever has sent something has gone", func() bool {
		said := 0
		for _, c := range e.conns[:n] {
			raw, err := c.SyscallConn()
			if err != nil {
				return false
			}
			set := []unix.PollFd{{Events: unix.POLLIN | unix.POLLRDHUP}}
			ctl := raw.Control(func(fd uintptr) {
				set[0].Fd = int32(fd)
				_, err = unix.Poll(set, 0)
			})
			if ctl != nil || err != nil {
				return false // interrupted
			}
			switch {
			case set[0].Revents == 0:
			case set[0].Revents&unix.POLLRDHUP == 0:
				return false
			default:
				said++
			}
		}
		return said > 0
	})
}

// deaf is the listener of a gateway.
type deaf struct {
	net.Listener

	ears *ears
}

func (d deaf) Accept() (net.Conn, error) {
	c, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	d.ears.mu.Lock()
	defer d.ears.mu.Unlock()
	d.ears.conns = append(d.ears.conns, c.(*net.TCPConn))
	return deafConn{c.(*net.TCPConn), d.ears}, nil
}

type deafConn struct {
	*net.TCPConn

	ears *ears
}

func (c deafConn) Read(b []byte) (int, error) {
	c.ears.shut.RLock()   // it only waits: a read that nothing comes for must not keep them open
	c.ears.shut.RUnlock() //nolint:staticcheck,gocritic // see above
	return c.TCPConn.Read(b)
}

func (c deafConn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.TCPConn.SyscallConn()
	return deafRaw{raw, c.ears}, err
}

type deafRaw struct {
	syscall.RawConn

	ears *ears
}

func (r deafRaw) Read(fn func(fd uintptr) bool) error {
	return r.RawConn.Read(func(fd uintptr) bool {
		r.ears.shut.RLock()
		defer r.ears.shut.RUnlock()
		return fn(fd)
	})
}

// laptop is a tunneler.
type laptop struct {
	*flow.Pool

	identity *mtlstest.Identity
	instance flow.Instance
	stop     func()
}

func startLaptop(t testing.TB, ca *mtlstest.CA, change ...func(*flow.PoolConfig)) *laptop {
	t.Helper()
	p := &laptop{identity: ca.Identity(ca.SVID(t, tunnelerID)), instance: flow.NewInstance()}
	cfg := flow.PoolConfig{Identity: p.identity, Log: zap.NewNop()}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	p.Pool, err = flow.NewPool(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
	t.Cleanup(p.stop)
	return p
}

// session is one as both ends have it.
type session struct {
	id        flow.SessionID
	near, far *mtls.Conn
	ticket    *flow.Ticket
	detach    func()
	close     func()
}

// connect opens a session: a connection of gRPC, which both ends attach.
func (p *laptop) connect(t testing.TB, g *gateway, change ...func(*flow.Session)) *session {
	t.Helper()
	s := p.half(t, g)
	var err error
	s.ticket, err = g.Attach(flow.Accepted{ID: s.id, Instance: p.instance, Link: s.far})
	require.NoError(t, err)
	out := flow.Session{ID: s.id, Link: s.near, Network: "dc", Addresses: []string{g.addr}}
	for _, c := range change {
		c(&out)
	}
	s.detach, err = p.Attach(out)
	require.NoError(t, err)
	return s
}

// half is a session that neither end has attached.
func (p *laptop) half(t testing.TB, g *gateway) *session {
	t.Helper()
	near := make(chan *mtls.Conn, 1)
	creds := mtls.ClientCredentials(mtls.ClientConfig(p.identity, mtls.Kinds(td, identity.KindConnector)), func(c *mtls.Conn) error {
		near <- c
		return nil
	})
	conn, err := grpc.NewClient("passthrough:///"+g.addr, grpc.WithTransportCredentials(creds))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	_, err = healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	require.NoError(t, err)
	s := &session{id: flow.NewSessionID(), near: <-near, far: <-g.sessions, close: sync.OnceFunc(func() { _ = conn.Close() })}
	t.Cleanup(s.close)
	return s
}

// pair is a tunneler with a session at a connector.
func pair(t testing.TB) (*laptop, *gateway, *session) {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	g, p := startGateway(t, ca, "gw"), startLaptop(t, ca)
	s := p.connect(t, g)
	return p, g, s
}

// target is a server on loopback. serve gets each connection.
func target(t testing.TB, serve func(*net.TCPConn)) flow.Target {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	over := make(chan struct{})
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			served := make(chan struct{})
			running.Go(func() {
				defer close(served)
				defer func() { _ = c.Close() }()
				serve(c.(*net.TCPConn))
			})
			running.Go(func() {
				select {
				case <-over:
					_ = c.Close()
				case <-served:
				}
			})
		}
	})
	t.Cleanup(func() {
		close(over)
		_ = l.Close()
		running.Wait()
	})
	return flow.Target{Host: "db", Port: uint16(l.Addr().(*net.TCPAddr).Port)}
}

// echo sends back what it gets until the end, and ends then.
func echo(c *net.TCPConn) {
	_, _ = io.Copy(c, c)
	_ = c.CloseWrite()
}

func (p *laptop) dial(t testing.TB, to flow.Target) *flow.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	c, err := p.Open(ctx, to)
	require.NoError(t, err)
	return c
}

// eventually waits for what the other end does by itself.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	require.Eventually(t, is, soon, time.Millisecond, what)
}

func say(t testing.TB, c net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(t, err)
}

func hear(t testing.TB, c net.Conn, text string) {
	t.Helper()
	got := make([]byte, len(text))
	_, err := io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

var errTest = errors.New("test")

func refuseAll(*mtls.Conn) error { return errTest }
