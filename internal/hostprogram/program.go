package hostprogram

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// CheckIdentity is the readiness check of the program's own X509-SVID.
const CheckIdentity = "identity"

// Config is what differs between the programs.
type Config struct {
	// Name of the binary.
	Name     string
	Workload identity.Workload
	Settings Settings
	// Listen is where tunnelers connect; empty for a program without a listener.
	Listen string
	// Checks are the readiness checks that fail until the program sets them.
	Checks []string
	Log    *zap.Logger
}

// Program is the frame around one run of a connector or tunneler.
type Program struct {
	Health  *health.Server
	Metrics *metrics.Registry
	Status  *Publisher
	Kept    *Kept
	Log     *zap.Logger

	cfg Config
}

// Identity is who the program is, from the moment it has an X509-SVID.
type Identity struct {
	Source      *mtls.Source
	TrustDomain spiffeid.TrustDomain
	// AgentSocket is the path of the Workload API's socket.
	AgentSocket string
}

// New opens the health listener: an address in use is a mistake to see at once, not
// after the agent is up. Run serves it.
func New(cfg Config) (*Program, error) {
	set := cfg.Settings
	server, err := health.New(health.Config{Listen: set.HealthAddr, AllowRemote: set.HealthRemote, Log: cfg.Log.Named("health")})
	if err != nil {
		return nil, fmt.Errorf("%w: check HEALTH_ADDR", err)
	}
	p := &Program{
		Health: server, Metrics: metrics.New(cli.Version().Version), Kept: NewKept(set.StateDir, cfg.Log.Named("state")), Log: cfg.Log, cfg: cfg,
	}
	server.Handle("GET /metrics", p.Metrics.Handler(cfg.Log.Named("metrics")))
	checks := server.Checks()
	checks.Declare(cfg.Checks...)
	checks.Set(CheckIdentity, errors.New("waiting for the first X509-SVID"))
	if set.StateDir != "" {
		checks.Register(CheckStateDir, p.Kept.Ready)
		checks.Explain(CheckStateDir, p.Kept.Explain)
	}
	p.Status = Publish(server, Document{
		Program: cfg.Name, Version: cli.Version().Version, ID: cfg.Workload.ID, SPIFFEID: set.SPIFFEIDOf(cfg.Workload), Listen: cfg.Listen, StateDir: set.StateDir,
	})
	return p, nil
}

// Run serves health, reports to systemd, waits for the program's identity and then calls
// serve, which is relay.Relay.Run in a connector, and serve of tunneler/app in a tunneler.
// It returns when serve has, or when ctx ends while there is no identity.
func (p *Program) Run(ctx context.Context, serve func(context.Context, Identity) error) error {
	addresses := map[string]any{"health": p.Health.Addr().String(), "pid": os.Getpid()}
	if p.cfg.Listen != "" {
		maps.Copy(addresses, map[string]any{"listen": p.cfg.Listen})
	}
	defer p.Kept.Addresses(addresses)()

	// Health ends last, so that it also reports how the program stops.
	healthCtx, stopHealth := context.WithCancel(context.WithoutCancel(ctx))
	defer stopHealth()
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Health.Run(healthCtx) })
	g.Go(func() error {
		return health.Notify(gctx, health.NotifyConfig{Alive: p.Health.Alive, Status: p.Health.Summary, Log: p.Log.Named("notify")})
	})
	g.Go(func() error {
		defer stopHealth()
		return p.identified(gctx, serve)
	})
	return g.Wait()
}

// identified waits for the X509-SVID and calls serve with it. A second program with the
// same SPIFFE ID on this host is refused before that.
func (p *Program) identified(ctx context.Context, serve func(context.Context, Identity) error) error {
	checks := p.Health.Checks()
	td, err := spiffeid.TrustDomainFromString(p.cfg.Settings.TrustDomain)
	if err != nil {
		return err
	}
	id, err := p.cfg.Workload.SPIFFEID(td)
	if err != nil {
		return err
	}
	socket, err := mtls.SocketPath(p.cfg.Settings.SpiffeSocket)
	if err != nil {
		return err
	}
	release, err := Alone(ctx, socket, id.String())
	if err != nil {
		return err
	}
	defer release()
	AgentChecks(checks, socket, id.String())
	source, err := mtls.Open(ctx, mtls.SourceConfig{Socket: p.cfg.Settings.SpiffeSocket, ID: id, Log: p.Log.Named("identity")})
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	defer source.Close()
	p.Metrics.Identity(source)
	checks.Register(CheckIdentity, source.Ready)
	checks.Explain(CheckIdentity, source.Explain)
	return serve(ctx, Identity{Source: source, TrustDomain: td, AgentSocket: socket})
}
