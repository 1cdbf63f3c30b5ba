package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// What one tunneler may make the connector hold.
var limits = rpcauth.Limits{MaxMessage: wire.MaxFromTunneler, MaxStreams: 8, Idle: time.Minute}

// caps of a listener that the program gave none.
var caps = sourcelimit.Caps{Most: wire.MaxSessions, Anonymous: 1024, AnonymousFrom: 512}

// Run serves until ctx ends. It returns nil then, or why the listener failed. At the end
// sessions end at once and flows within Timing.Drain, and then the ends of both are reported.
func (r *Relay) Run(ctx context.Context) error {
	defer r.unkick()
	defer r.witness.stop()
	// The control stream outlives the sessions, to report their ends (sayGoodbye).
	controlCtx, stopControl := context.WithCancel(context.WithoutCancel(ctx))
	defer stopControl()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer stopControl()
		return r.serveAll(gctx)
	})
	g.Go(func() error { return r.control.Run(controlCtx) })
	g.Go(func() error { return r.policy.keep(controlCtx, r.sweep) })
	g.Go(func() error { return r.denied.Run(controlCtx) })
	return g.Wait()
}

// serveAll serves sessions and flows until both have ended.
func (r *Relay) serveAll(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.serveTunnelers(gctx) })
	if r.flows != nil {
		g.Go(func() error {
			<-gctx.Done()
			r.flows.Drain(r.cfg.Timing.Drain) // the last byte of a flow
			return nil
		})
	}
	return g.Wait()
}

// serveTunnelers accepts until ctx ends, then ends the sessions and waits for
// them.
func (r *Relay) serveTunnelers(ctx context.Context) error {
	log := r.log.Named("session")
	tlsConfig := mtls.ServerConfig(r.cfg.Identity, mtls.Kinds(r.cfg.TrustDomain, identity.KindTunneler))
	config := reproof.ServerConfig{
		Identity: r.cfg.Identity, Conns: r.conns, Stopping: ctx.Done(), Refused: r.unproven.Add, Log: r.log.Named("reproof"),
	}
	if r.flows != nil {
		config.Flows = r.flows
	}
	proofs := reproof.NewServer(config)
	r.proofs.Store(proofs)
	server := grpc.NewServer(append(rpcauth.ServerOptions(Rules(), limits, log), proofs.Options(tlsConfig, mtls.Newcomers(r.cfg.Timing.FirstWords, r.policy.connected))...)...) //nolint:contextcheck // an RPC has a context of its own
	sessions := &service{
		policy: r.policy, sessions: r.sessions, refused: r.refused, idle: r.cfg.Timing.SessionIdle, events: r.cfg.Events, flows: r.flows,
		broken: sourcelimit.NewIdentities(misbehavedEvery, misbehavedBurst, time.Now), log: log, stopping: ctx,
	}
	checks := rpcauth.NewHealth(rpcauth.HealthConfig{
		Services: []string{zerotrustv1.TunnelService_ServiceDesc.ServiceName}, Failing: r.failing, Admit: sessions.admit, Stopping: ctx.Done(),
	})
	register(server, sessions, proofs, checks)

	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		r.serving.Store(true)
		defer r.serving.Store(false)
		r.log.Info("accepting tunnelers", zap.Stringer("address", r.cfg.Listener.Addr()))
		err := server.Serve(sourcelimit.Limited(r.cfg.Listener, caps))
		if err != nil && !errors.Is(err, grpc.ErrServerStopped) { // stopped before it began
			return fmt.Errorf("serve tunnelers on %s: %w", r.cfg.Listener.Addr(), err)
		}
		return nil
	})
	g.Go(func() error {
		<-gctx.Done()
		r.sessions.endAll(statusStopping)
		cutLate := time.AfterFunc(r.cfg.Timing.Drain, server.Stop)
		defer cutLate.Stop()
		server.GracefulStop()
		return nil
	})
	err := g.Wait()
	sessions.pumps.Wait()
	proofs.Wait()
	return err
}

// sayGoodbye sends the ends of the sessions and of the flows, closes our side and waits for the
// controller to close its own.
func (r *Relay) sayGoodbye(ctx context.Context, stream controlStream, gone <-chan struct{}) error {
	if err := r.sendReports(stream); err != nil {
		return err
	}
	r.records.tick()
	if err := r.sendRecords(stream, true); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	<-gone // serveControl cuts the stream when this takes too long
	return ctx.Err()
}

// register is the whole surface of the listener; the test of Rules walks it.
func register(server *grpc.Server, sessions zerotrustv1.TunnelServiceServer, proofs zerotrustv1.ReproofServiceServer, checks healthpb.HealthServer) {
	zerotrustv1.RegisterTunnelServiceServer(server, sessions)
	zerotrustv1.RegisterReproofServiceServer(server, proofs)
	healthpb.RegisterHealthServer(server, checks)
}
