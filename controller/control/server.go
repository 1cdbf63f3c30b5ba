package control

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// drainTimeout is the drain of a Server outside of tests.
const drainTimeout = 3 * time.Second

// What a peer of each listener may hold. A host that awaits approval has a stream at
// the enrollment listener for longer than its age, and asks again when it is cut.
var (
	enrollmentLimits = rpcauth.Limits{
		MaxMessage: maxEnrollMessage, MaxStreams: 8, Idle: 15 * time.Second, Age: 30 * time.Minute, AgeGrace: 30 * time.Second,
	}
	controlLimits = rpcauth.Limits{MaxMessage: maxControlMessage, MaxStreams: 8, Idle: time.Minute}
)

// Server is one gRPC listener.
type Server struct {
	name   string
	grpc   *grpc.Server
	lis    listener
	log    *zap.Logger
	beside func(context.Context) // runs beside the listener
	stop   func()                // ends the streams
	join   func()                // waits for what reads them
	proofs *reproof.Server       // nil at the enrollment listener
	drain  time.Duration         // how long open streams have to end by themselves at shutdown
}

// NewEnrollmentServer serves hosts that enroll: gRPC, and HTTP/1.1 by ALPN.
func NewEnrollmentServer(lis net.Listener, t *tls.Config, e *Enrollment, log *zap.Logger, more ...grpc.ServerOption) *Server {
	e.listener = t.GetCertificate
	e.awaiting = sourcelimit.NewTurnstile(maxAwaiting, maxAwaitingFrom)
	downloads := newWeb(newWebListener(lis.Addr(), maxWebConns, maxWebConnsFrom), e.Install, log)
	s := newServer("enrollment", sourcelimit.Limited(lis, enrollmentCaps), EnrollmentRules, enrollmentLimits, log,
		append(more, grpc.Creds(rpcauth.Credentials(newSplit(t, downloads.lis)))), func(s *grpc.Server) {
			zerotrustv1.RegisterEnrollmentServiceServer(s, e)
			healthv1.RegisterHealthServer(s, rpcauth.NewHealth(rpcauth.HealthConfig{
				Services: []string{zerotrustv1.EnrollmentService_ServiceDesc.ServiceName}, Failing: e.Failing, Stopping: e.Stopping,
			}))
		})
	s.beside, s.join = downloads.run, e.receiving.Wait
	return s
}

// Peers says how the control listener knows its peers.
type Peers struct {
	Identity  reproof.Identity
	Authorize mtls.Authorizer
	// LastWords is how long the status of a stream that was ended may take to reach its
	// peer, before the connection is closed; 20 ms by default.
	LastWords time.Duration
}

// NewControlServer serves connectors and tunnelers.
func NewControlServer(lis net.Listener, p Peers, c *ControlPlane, d *Directory, log *zap.Logger, more ...grpc.ServerOption) *Server {
	proofs := reproof.NewServer(reproof.ServerConfig{
		Identity: p.Identity, Conns: mtls.NewConns(maxConnections), Stopping: c.Stopping, Refused: ownProofs(c.Reports, p.Identity), Log: log.Named("reproof"),
	})
	sweeping := &sweeper{policy: c.Policy, conns: proofs.Conns(), words: cmp.Or(p.LastWords, lastWords)}
	s := newServer("control plane", sourcelimit.Limited(lis, controlCaps), ControlRules, controlLimits, log,
		append(more, proofs.Options(mtls.ServerConfig(p.Identity, p.Authorize), sweeping.newcomers())...), func(s *grpc.Server) {
			zerotrustv1.RegisterControlPlaneServiceServer(s, c)
			zerotrustv1.RegisterDirectoryServiceServer(s, d)
			proofs.Register(s)
			healthv1.RegisterHealthServer(s, rpcauth.NewHealth(rpcauth.HealthConfig{
				Services: []string{zerotrustv1.ControlPlaneService_ServiceDesc.ServiceName, zerotrustv1.DirectoryService_ServiceDesc.ServiceName},
				Failing:  c.Failing, Admit: c.admitNamed, Stopping: c.Stopping,
			}))
		})
	s.beside, s.proofs = sweeping.run, proofs
	s.stop = func() { c.streams.end(); d.streams.end() }
	s.join = func() { c.receiving.Wait(); proofs.Wait() }
	return s
}

func newServer(name string, lis *sourcelimit.Listener, rules rpcauth.Rules, limits rpcauth.Limits, log *zap.Logger, own []grpc.ServerOption, register func(*grpc.Server)) *Server {
	s := &Server{
		name: name, grpc: grpc.NewServer(append(append(rpcauth.ServerOptions(rules, limits, log), grpc.ForceServerCodecV2(newCodec())), own...)...),
		lis: listener{lis}, log: log, beside: func(context.Context) {}, stop: func() {}, drain: drainTimeout,
	}
	register(s.grpc)
	return s
}

// admitNamed lets whom the policy names ask for the health of the listener: TLS admits
// whoever has an SVID of the trust domain, a revoked host until it expires.
func (s *ControlPlane) admitNamed(ctx context.Context) error {
	c, err := callerOf(ctx)
	if err != nil {
		return err
	}
	if !s.Policy.Current().Admits(c.Workload, c.svid.Issue) {
		return status.Error(codes.PermissionDenied, "not enrolled, or revoked")
	}
	return nil
}

// Addr is the address in use.
func (s *Server) Addr() net.Addr { return s.lis.Addr() }

// Reproofs counts the re-proofs of the peers; it is of a control server.
func (s *Server) Reproofs() reproof.Status { return s.proofs.Status() }

// Services lists the full methods served, for the test that every one has a rule.
func (s *Server) Services() map[string]grpc.ServiceInfo { return s.grpc.GetServiceInfo() }

// Run serves until ctx ends or the listener fails, then says goodbye to open streams and
// closes.
func (s *Server) Run(ctx context.Context) error {
	besideCtx, stopBeside := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { s.beside(besideCtx) })
	defer beside.Wait()
	defer stopBeside()
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(s.lis) }() // joined by served
	s.log.Info("listening", zap.String("service", s.name), zap.Stringer("addr", s.lis.Addr()))
	var failed error
	select {
	case err := <-served:
		failed = fmt.Errorf("serve %s: %w", s.name, err)
		served <- nil // for the wait below
	case <-ctx.Done():
	}
	s.stop() // handlers return; Stop cuts those that do not
	stop := time.AfterFunc(s.drain, func() {
		s.lis.Cut() // Stop would wait for a handshake that a silent peer never ends
		s.grpc.Stop()
	})
	defer stop.Stop()
	s.grpc.GracefulStop() // handlers have returned, so nothing reads any more that they began
	s.join()
	if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return failed
}
