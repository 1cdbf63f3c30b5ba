package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hoststatus"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/notify"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/config"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// The names of the readiness checks.
const (
	checkIdentity  = "identity"
	checkDirectory = "directory"
	checkSession   = "session"
	checkAddr      = "connector_addr"
)

// run keeps the sessions until ctx ends. The health listener is opened first: an
// address in use is a mistake to see at once, not after the agent is up.
func run(ctx context.Context, cfg config.Config, log *zap.Logger) error {
	healthServer, err := health.New(health.Config{Listen: cfg.HealthAddr, AllowRemote: cfg.HealthRemote, Log: log.Named("health")}) //nolint:contextcheck // binds at once
	if err != nil {
		return fmt.Errorf("%w: check HEALTH_ADDR", err)
	}
	registry := metrics.New(cli.Version().Version)
	healthServer.Handle("GET /metrics", registry.Handler(log.Named("metrics")))
	registry.Connections("health", healthServer.Connections())
	checks := healthServer.Checks()
	checks.Declare(checkDirectory, checkSession)
	checks.Set(checkIdentity, errors.New("waiting for the first X509-SVID"))
	status := publish(healthServer, cfg) //nolint:contextcheck // each document bounds its checks
	kept := hoststatus.NewKept(cfg.StateDir, log.Named("state"))
	defer kept.Addresses(map[string]any{"health": healthServer.Addr().String(), "pid": os.Getpid()})()
	if cfg.StateDir != "" {
		checks.Register(hoststatus.CheckStateDir, kept.Ready)
		checks.Explain(hoststatus.CheckStateDir, kept.Explain)
	}

	// Health ends after the sessions have: their last moments are reported too.
	healthCtx, stopHealth := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHealth()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return healthServer.Run(healthCtx) })
	g.Go(func() error {
		return notify.Run(gctx, notify.Config{Alive: healthServer.Alive, Status: healthServer.Summary, Log: log.Named("notify")})
	})
	g.Go(func() error {
		defer stopHealth()
		return connect(gctx, cfg, surroundings{healthServer, status, registry, kept, log})
	})
	return g.Wait()
}

// surroundings is where a running tunneler reports to.
type surroundings struct {
	health  *health.Server
	status  *hoststatus.Publisher
	metrics *metrics.Registry
	kept    *hoststatus.Kept
	log     *zap.Logger
}

// connect waits for the identity and then follows the directory.
func connect(ctx context.Context, cfg config.Config, to surroundings) error {
	checks, log := to.health.Checks(), to.log
	td, err := spiffeid.TrustDomainFromString(cfg.TrustDomain)
	if err != nil {
		return err
	}
	id, err := identity.Workload{Kind: identity.KindTunneler, ID: cfg.TunnelerID}.SPIFFEID(td)
	if err != nil {
		return err
	}
	socket, err := mtls.SocketPath(cfg.SpiffeSocket)
	if err != nil {
		return err
	}
	release, err := hostcmd.Alone(ctx, socket, id.String())
	if err != nil {
		return err
	}
	defer release()
	hostcmd.AgentChecks(checks, socket, id.String())
	source, err := mtls.Open(ctx, mtls.SourceConfig{Socket: cfg.SpiffeSocket, ID: id, Log: log.Named("identity")})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer source.Close()
	version := cli.Version().Version
	watcher, err := directory.New(directory.Config{
		ID: cfg.TunnelerID, TrustDomain: td, Version: version, Identity: source,
		ControlAddresses: cfg.ControlAddresses(), StateDir: cfg.StateDir, Saved: to.kept.Note, AgentSocket: socket,
		Ended: to.metrics.Reconnects(streamDirectory), Log: log.Named("directory"),
	})
	if err != nil {
		return err
	}
	sessions, err := session.New(session.Config{
		ID: cfg.TunnelerID, Version: version, Identity: source, Directory: watcher,
		ConnectorAddr: cfg.ConnectorAddr, ConnectorID: cfg.ConnectorID, Probe: cfg.SessionProbe,
		Ended: to.metrics.Reconnects(streamSession), Log: log.Named("session"),
	})
	if err != nil {
		return err
	}
	to.metrics.Identity(source)
	export(to.metrics, watcher.Status, sessions.Status)
	to.health.Live().Register("sessions", sessions.Alive)
	checks.Register(checkIdentity, source.Ready)
	checks.Register(checkDirectory, watcher.Ready)
	checks.Register(checkSession, sessions.Ready)
	if cfg.ConnectorAddr != "" {
		checks.Register(checkAddr, sessions.AddrReady)
		checks.Explain(checkAddr, sessions.ExplainAddr)
	}
	describe(to, source, watcher, sessions)
	to.health.Document("/sessions", func(since time.Time) any {
		return map[string]any{"bundle_authority_ids": source.AuthorityIDs(), "sessions": sessions.Sessions(since)}
	})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return watcher.Run(ctx) })
	g.Go(func() error { return sessions.Run(ctx) })
	return g.Wait()
}
