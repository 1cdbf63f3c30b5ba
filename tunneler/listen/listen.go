package listen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// Protocol is what a face speaks.
type Protocol string

// The protocols.
const (
	SOCKS5  Protocol = "socks5"  // RFC 1928, CONNECT without authentication
	Connect Protocol = "connect" // CONNECT of HTTP/1.1, RFC 9110 section 9.3.6
	Forward Protocol = "forward" // none: every connection is a flow to Target
)

// Face is one address to listen at.
type Face struct {
	Protocol Protocol
	// Network is tcp or unix, Address an address or a path.
	Network, Address string
	// Mode is that of a unix socket.
	Mode fs.FileMode
	// Target is that of Forward.
	Target flow.Target
}

// Opener opens a flow.
type Opener interface {
	// Open waits until the target has answered. first is what the client has said until now, for
	// which nobody waits. Its errors are those of internal/flow.
	Open(ctx context.Context, to flow.Target, first []byte) (Flow, error)
}

// Flow is an open flow.
type Flow interface {
	// Splice carries both directions, with half-close, until both have ended, closes both
	// ends and returns the bytes to the target and from it.
	Splice(local net.Conn) (up, down int64, err error)
	// Abort ends it at once, also under Splice.
	Abort()
}

// Outcome is what became of one connection.
type Outcome struct {
	Protocol Protocol
	Target   flow.Target // empty if the connection named none
	User     uint32
	// Opened says that the flow was there; Up and Down are its bytes to the target and back.
	Opened   bool
	Up, Down int64
	// Failure is why no flow was opened, or why it was cut.
	Failure error
}

// What a Config that leaves them out gets.
const (
	DefaultMost     = 4096
	DefaultGreeting = 10 * time.Second
)

// opening is how long an open may take in all. The connector gives a target less.
const opening = 30 * time.Second

// Config configures a Server.
type Config struct {
	Faces  []Face
	Users  Users
	Opener Opener
	// Resources is what GET /resources answers at a unix socket, as JSON; nil has none.
	Resources func() ([]byte, error)
	// Most is how many connections there may be at once.
	Most int
	// Greeting is how long a connection may take to say where it wants to go, and to take
	// the answer.
	Greeting time.Duration
	// Ended is called once for each connection; nil is nobody.
	Ended func(Outcome)
	Log   *zap.Logger
}

// Server serves the faces.
type Server struct {
	cfg   Config
	faces []face
	room  chan struct{}

	kernel    kernel
	strangers *sourcelimit.Keyed[uint32] // whose refusals are logged, by uid
	unlogged  atomic.Int64

	flows sync.WaitGroup
	life  context.Context //nolint:containedctx // until Drain: flows end with it
	end   context.CancelFunc
}

// Refusals of one user that are logged: any user of this host may connect.
const strangersEvery, strangersBurst = 10 * time.Second, 10

type face struct {
	Face
	net.Listener
}

// New opens the listeners, so that an address in use is an error at once.
func New(cfg Config) (*Server, error) {
	cfg.Most, cfg.Greeting = cmp.Or(cfg.Most, DefaultMost), cmp.Or(cfg.Greeting, DefaultGreeting)
	if cfg.Ended == nil {
		cfg.Ended = func(Outcome) {}
	}
	s := &Server{cfg: cfg, room: make(chan struct{}, cfg.Most), strangers: sourcelimit.NewKeyed[uint32](strangersEvery, strangersBurst, time.Now)}
	s.life, s.end = context.WithCancel(context.Background())
	for _, f := range cfg.Faces {
		l, err := listenAt(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s at %s: %w", f.Protocol, f.Address, err), s.Close())
		}
		s.faces = append(s.faces, face{f, l})
	}
	return s, nil
}

// listenAt opens one listener. What is not loopback is refused: the kernel knows the user
// of a connection only on this host.
func listenAt(f Face) (net.Listener, error) {
	if f.Network == "unix" {
		return localsocket.ListenAt(localsocket.Purpose{Name: "socket", Program: "grpctunneler", Mode: f.Mode}, f.Address)
	}
	// No keep-alives: the kernel that is at both ends knows when a program has ended.
	l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), "tcp", f.Address)
	if err != nil {
		return nil, err
	}
	if addr, ok := l.Addr().(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("%s is not a loopback address", l.Addr()), l.Close())
	}
	return l, nil
}

// Addresses are the actual addresses of the faces, in the order of Config.
func (s *Server) Addresses() []net.Addr {
	out := make([]net.Addr, len(s.faces))
	for i, f := range s.faces {
		out[i] = f.Addr()
	}
	return out
}

// Close frees what New has opened.
func (s *Server) Close() error { return errors.Join(s.closeFaces(), s.kernel.close()) }

func (s *Server) closeFaces() error {
	var errs []error
	for _, f := range s.faces {
		if err := f.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Serve takes connections until ctx ends or a listener fails. Drain has to follow.
func (s *Server) Serve(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	for _, f := range s.faces {
		g.Go(func() error { return s.accept(gctx, f) })
	}
	g.Go(func() error {
		<-gctx.Done()
		return s.closeFaces()
	})
	return g.Wait()
}

// Drain waits for the flows after Serve, and cuts those that are there at the limit.
func (s *Server) Drain(limit time.Duration) {
	late := time.AfterFunc(limit, s.end)
	defer late.Stop()
	defer s.end()
	s.flows.Wait()
}

// accept serves one face.
func (s *Server) accept(ctx context.Context, f face) error {
	s.cfg.Log.Info("listening", zap.String("protocol", string(f.Protocol)), zap.Stringer("address", f.Addr()))
	over := make(chan error, 1)
	s.flows.Go(func() { s.follow(ctx, f, over) })
	return <-over
}

// follow takes a connection and serves it, while another goroutine takes the next one: a
// client waits for this one, and to hand it over would wake a thread.
func (s *Server) follow(ctx context.Context, f face, over chan<- error) {
	c, err := s.next(ctx, f)
	if c == nil {
		over <- err
		return
	}
	s.flows.Go(func() { s.follow(ctx, f, over) })
	defer func() { <-s.room }()
	s.serve(s.life, f.Face, c) //nolint:contextcheck // flows outlive Serve
}

// next is the next connection for which there is room; nil at the end.
func (s *Server) next(ctx context.Context, f face) (net.Conn, error) {
	for {
		c, err := f.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return nil, nil
		case errors.Is(err, net.ErrClosed):
			return nil, fmt.Errorf("%s at %s: %w", f.Protocol, f.Address, err)
		case err != nil: // of one connection, or no descriptor is left
			s.cfg.Log.Warn("connection not accepted", zap.Error(err))
			select {
			case <-time.After(50 * time.Millisecond): // lets one end, instead of asking at once again
			case <-ctx.Done():
			}
			continue
		}
		select {
		case s.room <- struct{}{}:
			return c, nil
		default:
			reset(c)
			s.cfg.Ended(Outcome{Protocol: f.Protocol, Failure: errFull})
		}
	}
}
