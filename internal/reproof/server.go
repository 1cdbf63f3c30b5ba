package reproof

import (
	"context"
	"crypto/tls"
	"errors"
	"sync"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
)

// ServerConfig configures a Server.
type ServerConfig struct {
	Identity Identity
	// Conns gets every connection of the listener.
	Conns *mtls.Conns
	// Stopping ends the Prove streams, when the program stops.
	Stopping <-chan struct{}
	// Flows takes the flow connections of the listener, which are not guarded: they live by
	// the proofs of their session. Optional.
	Flows mtls.Flows
	// Refused is called with each proof that was refused; it must not block. Optional.
	Refused func(Refusal)
	Log     *zap.Logger
}

// Server guards the connections of one gRPC listener and serves ReproofService
// on it.
type Server struct {
	zerotrustv1.UnimplementedReproofServiceServer

	party

	conns     *mtls.Conns
	flows     mtls.Flows
	stopping  <-chan struct{}
	receiving sync.WaitGroup // of all Prove streams

	mu     sync.Mutex
	guards map[*mtls.Conn]*guard
}

// NewServer returns a Server. Its part of the listener are Options and Register.
func NewServer(cfg ServerConfig) *Server {
	return &Server{
		party: party{own: cfg.Identity, log: cfg.Log, refusedProof: cfg.Refused},
		conns: cfg.Conns, flows: cfg.Flows, stopping: cfg.Stopping, guards: map[*mtls.Conn]*guard{},
	}
}

// Options are the credentials of the listener, with its limits, and every connection
// guarded from its handshake on. opened is called with it after Conns has it.
func (s *Server) Options(c *tls.Config, opened ...mtls.Opened) []grpc.ServerOption {
	own := mtls.ServerCredentials(c, append([]mtls.Opened{s.conns.Add, s.guard}, opened...)...)
	if s.flows != nil {
		own = mtls.WithFlows(own, s.flows)
	}
	return []grpc.ServerOption{
		grpc.Creds(rpcauth.Credentials(own)),
		grpc.ChainUnaryInterceptor(s.unary),
		grpc.ChainStreamInterceptor(s.stream),
	}
}

func (s *Server) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	s.used(ctx)
	return next(ctx, req)
}

func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if info.FullMethod != zerotrustv1.ReproofService_Prove_FullMethodName {
		s.used(ss.Context())
	}
	return next(srv, ss)
}

// Register adds the service to the listener.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	zerotrustv1.RegisterReproofServiceServer(r, s)
}

// Conns are the open connections of the listener.
func (s *Server) Conns() *mtls.Conns { return s.conns }

// Status may be called at any time.
func (s *Server) Status() Status { return s.status() }

// Wait returns when nothing reads a stream any more. Call it when the gRPC server has
// stopped and its handlers have returned.
func (s *Server) Wait() { s.receiving.Wait() }

// guard is an mtls.Opened.
func (s *Server) guard(c *mtls.Conn) error {
	g := newGuard(c, s.own)
	s.mu.Lock()
	s.guards[c] = g
	s.mu.Unlock()
	c.OnClose(func(reason error) {
		s.mu.Lock()
		delete(s.guards, c)
		s.mu.Unlock()
		if !errors.Is(reason, mtls.ErrClosed) {
			s.cut.Add(1)
			s.log.Warn("connection cut", zap.Stringer("spiffe_id", c.Peer()), zap.Stringer("caller_addr", c.RemoteAddr()), zap.NamedError("reason", reason))
		}
	})
	return nil
}

func (s *Server) guardOf(c *mtls.Conn) *guard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guards[c]
}

func (s *Server) used(ctx context.Context) {
	if g := s.guardOf(mtls.ConnOf(ctx)); g != nil {
		g.used()
	}
}

// Prove implements ReproofServiceServer.
func (s *Server) Prove(stream zerotrustv1.ReproofService_ProveServer) error {
	ctx := stream.Context()
	conn := mtls.ConnOf(ctx)
	g := s.guardOf(conn)
	if g == nil {
		return status.Error(codes.Unauthenticated, "no X509-SVID on this connection")
	}
	if !g.attend() {
		return status.Error(codes.AlreadyExists, "this connection has a re-proof stream")
	}
	defer g.leave()
	e := s.exchange(conn, g, serverFrames{stream}, &s.receiving)
	e.stopping = s.stopping
	return ended(e.run(ctx))
}

// ended is what the peer may know: of its own proof everything.
func ended(err error) error {
	switch {
	case errors.Is(err, errEnded):
		return nil
	case errors.Is(err, errStopping):
		return status.Error(codes.Unavailable, err.Error())
	}
	return status.Error(codes.PermissionDenied, err.Error())
}

// serverFrames is a server's end of the stream.
type serverFrames struct {
	zerotrustv1.ReproofService_ProveServer
}

// Send implements frames.
func (f serverFrames) Send(m *zerotrustv1.ReproofFrame) error {
	return f.ReproofService_ProveServer.Send(&zerotrustv1.ProveResponse{Frame: m})
}

// Recv implements frames.
func (f serverFrames) Recv() (*zerotrustv1.ReproofFrame, error) {
	m, err := f.ReproofService_ProveServer.Recv()
	return m.GetFrame(), err
}
