package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/config"
	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostcmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hoststatus"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/notify"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// The names of the readiness checks.
const (
	checkIdentity = "identity"
	checkControl  = "control_stream"
	checkPolicy   = "policy"
	checkListener = "listener"
	checkAudit    = "audit_witness"
)

// run serves until ctx ends. The listeners are opened first: an address in use is
// a mistake to see at once, not after the agent is up.
func run(ctx context.Context, cfg config.Config, log *zap.Logger) error {
	descriptors, err := sourcelimit.Descriptors()
	if err != nil {
		return err
	}
	bound, err := net.Listen("tcp", cfg.ListenAddr) //nolint:noctx // binds at once
	if err != nil {
		return fmt.Errorf("listen for tunnelers: %w: check LISTEN_ADDR", err)
	}
	listener := sourcelimit.NewListener(bound, sourcelimit.Share(descriptors, 90, descriptors, 1024))
	defer func() { _ = listener.Close() }()
	healthServer, err := health.New(health.Config{Listen: cfg.HealthAddr, AllowRemote: cfg.HealthRemote, Log: log.Named("health")}) //nolint:contextcheck // binds at once
	if err != nil {
		return fmt.Errorf("%w: check HEALTH_ADDR", err)
	}
	registry := metrics.New(cli.Version().Version)
	healthServer.Handle("GET /metrics", registry.Handler(log.Named("metrics")))
	exportConnections(registry, listener, healthServer.Connections())
	checks := healthServer.Checks()
	checks.Declare(checkControl, checkPolicy, checkListener, checkAudit)
	checks.Set(checkIdentity, errors.New("waiting for the first X509-SVID"))
	status := publish(healthServer, cfg, listener.Addr()) //nolint:contextcheck // each document bounds its checks
	kept := hoststatus.NewKept(cfg.StateDir, log.Named("state"))
	defer kept.Addresses(map[string]any{"listen": listener.Addr().String(), "health": healthServer.Addr().String(), "pid": os.Getpid()})()
	if cfg.StateDir != "" {
		checks.Register(hoststatus.CheckStateDir, kept.Ready)
		checks.Explain(hoststatus.CheckStateDir, kept.Explain)
	}

	// Health ends after the connector has: its last moments are reported too.
	healthCtx, stopHealth := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHealth()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return healthServer.Run(healthCtx) })
	g.Go(func() error {
		return notify.Run(gctx, notify.Config{Alive: healthServer.Alive, Status: healthServer.Summary, Log: log.Named("notify")})
	})
	g.Go(func() error {
		defer stopHealth()
		return connect(gctx, cfg, listener, surroundings{healthServer, status, registry, kept, log})
	})
	return g.Wait()
}

// surroundings is where a running connector reports to.
type surroundings struct {
	health  *health.Server
	status  *hoststatus.Publisher
	metrics *metrics.Registry
	kept    *hoststatus.Kept
	log     *zap.Logger
}

// connect waits for the identity and then runs the relay.
func connect(ctx context.Context, cfg config.Config, listener net.Listener, to surroundings) error {
	checks, log := to.health.Checks(), to.log
	td, err := spiffeid.TrustDomainFromString(cfg.TrustDomain)
	if err != nil {
		return err
	}
	id, err := identity.Workload{Kind: identity.KindConnector, ID: cfg.ConnectorID}.SPIFFEID(td)
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
	r, err := relay.New(relay.Config{
		ID: cfg.ConnectorID, TrustDomain: td, Version: cli.Version().Version, Identity: source, Listener: listener,
		ControlAddresses: cfg.ControlAddresses(), PrivateIP: cfg.PrivateIP, StateDir: cfg.StateDir, Saved: to.kept.Note, AgentSocket: socket,
		Failing: func(ctx context.Context) error { return checks.Failing(ctx, checkIdentity) },
		Events:  countEvents(to.metrics), Log: log.Named("relay"),
	})
	if err != nil {
		return err
	}
	to.metrics.Identity(source)
	exportRelay(to.metrics, r.Status)
	to.health.Live().Register("relay", r.Alive)
	checks.Register(checkIdentity, source.Ready)
	checks.Register(checkControl, r.ControlReady)
	checks.Register(checkPolicy, r.PolicyReady)
	checks.Register(checkListener, r.ListenerReady)
	to.health.Document("/sessions", func(time.Time) any {
		return map[string]any{"bundle_authority_ids": source.AuthorityIDs(), "sessions": r.Sessions()}
	})
	checks.Register(checkAudit, r.AuditReady)
	describe(to, source, r)
	return r.Run(ctx)
}
