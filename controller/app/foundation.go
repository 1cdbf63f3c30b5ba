package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/install"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing/otlp"
)

// site is what is known of this controller before anything is opened.
type site struct {
	cfg   config.Config
	log   *zap.Logger
	td    spiffeid.TrustDomain
	paths paths

	descriptors    int // that the listeners share; 0 asks the kernel
	declared       auth.Declared
	declaredPolicy declaredPolicy
}

// foundation is what needs no other process: listeners, database, bootstrap CA, health.
type foundation struct {
	site

	tracing   *otlp.Provider
	budget    budget
	lis       listeners
	reachedAt *advertised
	store     *store.Store
	ca        *bootstrapca.CA
	hostCAs   []*x509.Certificate // of ca_bundle_paths
	installs  install.Source
	health    *health.Server
	metrics   *metrics.Registry
}

// newSite reads what the configuration names and prepares the data directory.
func newSite(cfg config.Config, log *zap.Logger) (s site, err error) {
	s = site{log: log, paths: paths(cfg.DataDir)}
	if s.cfg, err = cfg.WithCredentials(os.Getenv("CREDENTIALS_DIRECTORY")); err != nil {
		return s, err
	}
	if s.declared, err = readDeclared(s.cfg.Declared); err != nil {
		return s, err
	}
	if s.declaredPolicy, err = readDeclaredPolicy(s.cfg.Declared); err != nil {
		return s, err
	}
	if s.td, err = spiffeid.TrustDomainFromString(cfg.TrustDomain); err != nil {
		return s, err
	}
	if err := makeDataDir(cfg.DataDir); err != nil {
		return s, err
	}
	return s, localsocket.Check(s.paths.adminSocket())
}

// openFoundation opens all of it, or nothing that outlives an error but listeners, which
// end with the program.
func openFoundation(ctx context.Context, s site) (_ *foundation, err error) {
	f := &foundation{site: s}
	if f.tracing, err = openTracing(ctx, s); err != nil {
		return nil, err
	}
	if err = f.open(ctx); err != nil {
		return nil, errors.Join(err, f.close()) //nolint:contextcheck // what is left of the traces is sent in a time of its own
	}
	return f, nil
}

// close ends it in the other order. Tracing is last, so that the end of the others is
// traced too.
func (f *foundation) close() error {
	var err error
	if f.store != nil {
		err = f.store.Close()
	}
	return errors.Join(err, f.tracing.Close())
}

func (f *foundation) open(ctx context.Context) (err error) {
	if f.budget, err = newBudget(f.descriptors); err != nil {
		return err
	}
	if f.lis, err = listen(ctx, f.cfg.Listen, f.budget); err != nil {
		return err
	}
	if f.store, err = store.Open(ctx, f.paths.database()); err != nil {
		return err
	}
	if f.ca, err = bootstrapca.Open(f.paths.bootstrap(), f.td, time.Now); err != nil {
		return err
	}
	if f.hostCAs, err = bootstrap.ReadAnchors(f.cfg.CABundlePaths...); err != nil {
		return fmt.Errorf("ca_bundle_paths: %w", err)
	}
	if f.installs, err = install.Open(f.cfg.InstallDir, f.paths.releaseKey(), f.log.Named("install")); err != nil {
		return err
	}
	if f.health, err = health.New(health.Config{Listen: f.cfg.Listen.Health, AllowRemote: f.cfg.Listen.HealthRemote, Caps: f.budget.health, Log: f.log.Named("health")}); err != nil { //nolint:contextcheck // binds at once
		return fmt.Errorf("listen.health: %w", err)
	}
	f.metrics = metrics.New(cli.Version().Version)
	f.health.Handle("GET /metrics", f.metrics.Handler(f.log.Named("metrics")))
	f.store.Observe(storeLatency(f.metrics))
	exportTraces(f.metrics, f.tracing.Counts)
	checks := f.health.Checks()
	checks.Register(checkStore, f.store.Ping)
	checks.Declare(checkServer, checkAgent, checkIdentity, checkEntries)
	f.advertise(ctx, checks)
	return nil
}

// advertise finds out where hosts reach this controller.
func (f *foundation) advertise(ctx context.Context, checks *health.Checks) {
	f.reachedAt = &advertised{
		configured: f.cfg.PublicAddress, spireServer: f.cfg.SPIRE.ServerAddress, route: defaultRoute, log: f.log.Named("advertised"),
		enrollment: f.lis.enrollment.Addr(), control: f.lis.control.Addr(),
	}
	f.reachedAt.look(ctx)
	checks.Register(checkAddress, f.reachedAt.check)
	checks.Explain(checkAddress, f.reachedAt.explain)
}
