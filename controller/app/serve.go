package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/backup"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/recovery"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing/otlp"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/registrar"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/series"
)

// controller is everything that serve runs.
type controller struct {
	cfg   config.Config
	log   *zap.Logger
	td    spiffeid.TrustDomain
	paths paths

	descriptors int // that the listeners share; 0 asks the kernel

	budget    budget
	lis       listeners
	reachedAt *advertised
	spireAt   *net.TCPAddr // where the embedded spire-server listens
	store     *store.Store
	ca        *bootstrapca.CA
	hostCAs   []*x509.Certificate // of ca_bundle_paths
	installs  installs
	health    *health.Server
	metrics   *metrics.Registry
	spire     *registrar.Client
	tracing   *otlp.Provider
	own       fleet.Entry
	source    *mtls.Source

	declared auth.Declared

	audit      *audit.Log
	auditing   *auditing
	recovery   *recovery.Keeper
	roster     *presence.Roster
	fleet      *fleet.Fleet
	policy     *policy.Publisher
	revisions  *changelog.Follower   // records revisions of the policy in the audit log
	addresses  topic.Topic[struct{}] // wakes streams when hosts reach us elsewhere
	recall     *policy.Recall
	reconciler *fleet.Reconciler
	agents     *fleet.AgentWatch
	bans       *fleet.BanWatch
	enroll     *enroll.Service
	rotation   *rotation.Manager
	anchors    *anchors.Manager
	// restartSPIRE has our spire-server read its files anew; nil with an operator's.
	restartSPIRE func(context.Context) error
	admin        *api.Server
	identity     *auth.Auth
	besides      []func(context.Context) error // run beside the admin listener
	feed         *events.Feed
	setup        string // link of the first owner; empty once there is one
	series       *series.Series
}

// serve runs the controller until ctx ends. Things start in the order of this
// function and stop in the other one.
func serve(ctx context.Context, cfg config.Config, log *zap.Logger) (err error) {
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	c := &controller{cfg: cfg, log: log, paths: paths(cfg.DataDir)}
	if c.cfg, err = cfg.WithCredentials(os.Getenv("CREDENTIALS_DIRECTORY")); err != nil {
		return err
	}
	if c.declared, err = readDeclared(c.cfg.Declared); err != nil {
		return err
	}
	if c.td, err = spiffeid.TrustDomainFromString(cfg.TrustDomain); err != nil {
		return err
	}
	if err := makeDataDir(cfg.DataDir); err != nil {
		return err
	}
	if err := adminsocket.Check(c.paths.adminSocket()); err != nil {
		return err
	}
	unlock, err := lockDataDir(c.paths)
	if err != nil {
		return err
	}
	defer unlock()
	if err := backup.Incomplete(cfg.DataDir); err != nil {
		return err
	}
	if err := c.openTracing(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.tracing.Close()) }() //nolint:contextcheck // ctx has ended by then
	if err := c.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.store.Close()) }()
	probes := start(ctx, abort, c.health.Run)
	defer func() { err = errors.Join(err, probes.stop()) }()

	stopSPIRE, err := c.startSPIRE(ctx, abort)
	defer func() { err = errors.Join(err, stopSPIRE()) }()
	if err != nil {
		return cause(ctx, err)
	}
	return c.run(ctx)
}

// cause prefers why a stage died over what its death led to.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil && !errors.Is(why, context.Canceled) {
		return why
	}
	return err
}

// open opens what needs no other process: listeners, database, CA, health.
func (c *controller) open(ctx context.Context) (err error) {
	if c.budget, err = newBudget(c.descriptors); err != nil {
		return err
	}
	if c.lis, err = listen(ctx, c.cfg.Listen, c.budget); err != nil {
		return err
	}
	if c.store, err = store.Open(ctx, c.paths.database()); err != nil {
		return err
	}
	if c.ca, err = bootstrapca.Open(c.paths.bootstrap(), c.td, time.Now); err != nil {
		return err
	}
	if c.hostCAs, err = bootstrap.ReadAnchors(c.cfg.CABundlePaths...); err != nil {
		return fmt.Errorf("ca_bundle_paths: %w", err)
	}
	if c.installs, err = openInstalls(c.cfg.InstallDir, c.paths.releaseKey(), c.log.Named("install")); err != nil {
		return err
	}
	if c.health, err = health.New(health.Config{Listen: c.cfg.Listen.Health, AllowRemote: c.cfg.Listen.HealthRemote, Caps: c.budget.health, Log: c.log.Named("health")}); err != nil { //nolint:contextcheck // binds at once
		return fmt.Errorf("listen.health: %w", err)
	}
	c.metrics = metrics.New(cli.Version().Version)
	c.health.Handle("GET /metrics", c.metrics.Handler(c.log.Named("metrics")))
	c.store.Observe(storeLatency(c.metrics))
	exportTraces(c.metrics, c.tracing.Counts)
	checks := c.health.Checks()
	checks.Register(checkStore, c.store.Ping)
	checks.Declare(checkServer, checkAgent, checkIdentity, checkEntries)
	c.advertise(ctx, checks)
	return nil
}

// advertise finds out where hosts reach this controller.
func (c *controller) advertise(ctx context.Context, checks *health.Checks) {
	c.reachedAt = &advertised{
		configured: c.cfg.PublicAddress, spireServer: c.cfg.SPIRE.ServerAddress, route: defaultRoute, log: c.log.Named("advertised"),
		enrollment: c.lis.enrollment.Addr(), control: c.lis.control.Addr(),
	}
	c.reachedAt.look(ctx)
	checks.Register(checkAddress, c.reachedAt.check)
	checks.Explain(checkAddress, c.reachedAt.explain)
}

// moved tells everybody who was told where this controller is.
func (c *controller) moved() {
	c.addresses.Wake()
	if err := c.writeRunFile(); err != nil {
		c.log.Warn("run file not written: commands on this host may use old addresses", zap.Error(err))
	}
}

// build makes the domain and its transports.
func (c *controller) build(stopping <-chan struct{}) (enrollment, plane *control.Server, err error) {
	now := time.Now
	ttl := map[identity.Kind]time.Duration{
		identity.KindConnector: c.cfg.SVIDTTL.Connector, identity.KindTunneler: c.cfg.SVIDTTL.Tunneler,
	}
	checks := c.health.Checks()
	if c.auditing, err = c.newAuditing(checks, now); err != nil {
		return nil, nil, err
	}
	c.audit = c.auditing.trail
	if c.recovery, err = recovery.Open(context.Background(), c.store, recoveryEvery, c.log.Named("recovery")); err != nil {
		return nil, nil, err
	}
	c.roster = presence.NewRoster(now)
	c.policy = policy.NewPublisher(c.td, c.store, c.log.Named("policy"), now)
	c.revisions = changelog.NewFollower(changelog.Config{
		Name: "revisions of the policy", Log: c.store, Now: now, Logger: c.log.Named("auditlog"),
		Reader: &revisions{store: c.store, policies: c.policy, trail: c.audit, controller: c.cfg.ControllerID},
	})
	c.recall = policy.NewRecall(policy.RecallConfig{
		Store: c.store, Policy: c.policy, Actor: "controller/" + c.cfg.ControllerID, Now: now, Log: c.log.Named("policy"),
	})
	c.reconciler = fleet.NewReconciler(fleet.ReconcilerConfig{
		TrustDomain: c.td, Changes: c.store, Store: c.store, SPIRE: c.spire, SVIDTTL: ttl, Own: []fleet.Entry{c.own}, Now: now,
		Log: c.log.Named("reconciler"), Result: func(err error) { checks.Set(checkEntries, err) },
	})
	changed := changes{c.roster}
	c.fleet = fleet.New(fleet.Config{
		Store: c.store, Roster: c.roster, Changed: changed, Audit: c.audit, Now: now,
		Clones: fleet.ClonePolicy(c.cfg.Clones), Log: c.log.Named("fleet"),
	})
	c.agents = fleet.NewAgentWatch(fleet.AgentWatchConfig{Fleet: c.fleet, SPIRE: c.spire, Rotation: c.lastRotation, Log: c.log.Named("fleet")})
	c.bans = fleet.NewBanWatch(fleet.BanWatchConfig{Store: c.store, SPIRE: c.spire, Now: now, Log: c.log.Named("fleet")})
	c.enroll = enroll.New(enroll.Config{
		TrustDomain: c.td, Store: c.store, Changes: c.store, Signer: c.ca, SPIRE: c.spire, Changed: changed, Audit: c.audit,
		Log: c.log.Named("enroll"), Now: now, SVIDTTL: ttl, EntrySettle: c.cfg.SPIRE.EntrySettle(),
	})
	c.rotation = c.newRotation(now)
	c.anchors = c.newAnchors(now)
	if err := c.newAdmin(now); err != nil {
		return nil, nil, err
	}
	if enrollment, plane, err = c.servers(stopping); err != nil {
		return nil, nil, err
	}
	c.explain(checks)
	exportConnections(c.metrics, c.connections())
	exportReplacement(c.metrics, c.anchors.Unfinished)
	exportFollowers(c.metrics, c.store.ChangePosition, c.followers())
	exportDomain(c.metrics, domain{Policy: c.policy, Roster: c.roster, Reproofs: plane.Reproofs, Unproven: c.auditing.collector.Unproven, Store: c.store, Anchors: c.ca.Anchors})
	return enrollment, plane, nil
}

// recoveryEvery is how often a running controller looks whether its recovery key was made.
const recoveryEvery = 5 * time.Second

// connections are those of all listeners.
func (c *controller) connections() map[string]*sourcelimit.Listener {
	return map[string]*sourcelimit.Listener{
		"enrollment": c.lis.enrollment, "control": c.lis.control, "admin": c.admin.Connections(), "local": c.admin.LocalConnections(), "health": c.health.Connections(),
	}
}

// changes tells the roster, which does not follow the change log: it is in memory.
type changes struct{ roster *presence.Roster }

// MembersChanged implements fleet.Changed and enroll.Changed.
func (c changes) MembersChanged(revoked []fleet.Member) {
	for _, m := range revoked {
		c.roster.Forget(m.Workload)
	}
}

func (c *controller) servers(stopping <-chan struct{}) (enrollment, plane *control.Server, err error) {
	downloads, err := c.installs.service(c.caPEM, installResults(c.metrics))
	if err != nil {
		return nil, nil, err
	}
	spread := measureRevocations(c.metrics)
	c.besides = append(c.besides, func(ctx context.Context) error { return spread.Run(ctx, c.policy) })
	log, roster := c.log.Named("control"), attending{c.roster, spread, streamsOpened(c.metrics)}
	bootstrapTLS := c.ca.ServerConfig(c.hostCAs...)
	enrollment = control.NewEnrollmentServer(c.lis.enrollment, bootstrapTLS, &control.Enrollment{
		TrustDomain: c.td, Redeemer: c.enroll, Requests: c.enroll, Bundles: c.spire, Hosts: c.store, Renewer: c.enroll, Anchors: c.ca, Heard: c.anchors.Heard, Policy: c.policy, Recall: c.recall, Endpoints: c.reachedAt.endpoints,
		Timeline: c.recovery.Number, Recovery: c.recovery,
		Result: enrollResults(c.metrics), Install: downloads, Failing: c.failing(checkStore, checkServer), Stopping: stopping, Log: log,
	}, log, c.tracing.ServerOptions(control.Traced)...)
	peers := control.Peers{Identity: c.source, Authorize: mtls.Kinds(c.td, identity.KindConnector, identity.KindTunneler)}
	attendance := control.Recording{Attendance: roster, Reports: c.auditing.collector}
	plane = control.NewControlServer(c.lis.control, peers,
		&control.ControlPlane{
			Fleet: c.fleet, Roster: attendance, Policy: c.policy, PolicyAge: c.cfg.PolicyAge, Endpoints: c.reachedAt.endpoints, Moved: &c.addresses,
			Audit: c.auditing.witnesses, Reports: c.auditing.collector, Timeline: c.recovery.Number, Recovery: c.recovery, Recall: c.recall, Signer: c.auditing.signer,
			Returns:  control.Returns{Key: c.auditing.signer.VerifierKey, TakeBack: c.fleet.TakeBack, Result: denialsReturned(c.metrics)},
			Outdated: c.roster.Outdated, Failing: c.failing(checkStore, checkIdentity), Stopping: stopping, Log: log,
		},
		&control.Directory{Recall: c.recall, Outdated: c.roster.Outdated, Fleet: c.fleet, Roster: attendance, Policy: c.policy, Endpoints: c.reachedAt.endpoints, Moved: &c.addresses, Reports: c.auditing.collector, Timeline: c.recovery.Number, Recovery: c.recovery, Stopping: stopping, Log: log}, log)
	return enrollment, plane, nil
}

// run serves until ctx ends.
func (c *controller) run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	enrollment, plane, err := c.build(gctx.Done()) //nolint:contextcheck // binds at once
	if err != nil {
		return err
	}
	if err := c.beginPolicy(ctx); err != nil {
		return err
	}
	if err := c.declare(ctx); err != nil {
		return err
	}
	if err := errors.Join(c.retireFirstKey(ctx), c.offerSetup(ctx), c.writeRunFile()); err != nil {
		return err
	}
	for _, component := range c.components(enrollment, plane) {
		g.Go(func() error { return component.Run(gctx) })
	}
	announced := make(chan struct{})
	g.Go(func() error { return announce(gctx, c.health.Checks(), c.log, c.sayReady, announced) })
	g.Go(func() error { return c.notify(gctx, announced) })
	err = g.Wait()
	c.log.Info("controller stopped")
	return cause(ctx, err)
}

// sayReady has the setup link last, where a person who started it looks.
func (c *controller) sayReady() {
	c.log.Info("controller ready", zap.Stringer("spiffe_id", c.source.ID()), zap.Stringer("enrollment", c.lis.enrollment.Addr()),
		zap.Stringer("control", c.lis.control.Addr()), zap.Stringer("admin", c.admin.Addr()), zap.String("ca", c.ca.CertificatePath()))
	c.showSetup(os.Stderr)
}

// beginPolicy makes the first snapshot before the first stream: whoever it does not
// name is refused.
func (c *controller) beginPolicy(ctx context.Context) error {
	if err := c.store.BeginPolicy(ctx, time.Now()); err != nil {
		return fmt.Errorf("policy revision: %w", err)
	}
	if err := c.policy.Refresh(ctx); err != nil {
		return fmt.Errorf("first policy snapshot: %w", err)
	}
	return c.recall.Begin(ctx)
}

// component is a part of the controller that runs as long as it does.
type component interface {
	Run(ctx context.Context) error
}

// running makes a component of a function.
type running func(context.Context) error

// Run implements component.
func (f running) Run(ctx context.Context) error { return f(ctx) }

// components are everything that was built and runs.
func (c *controller) components(enrollment, plane *control.Server) []component {
	out := []component{
		enrollment, plane, c.admin, c.policy, c.revisions, c.reconciler, c.agents, c.bans, c.recovery, c.rotation, c.anchors, c.enroll, c.feed, c.series,
		&changelog.Pruner{Store: c.store, Logger: c.log.Named("changelog")},
		running(c.pruneWitnesses), running(c.enroll.FollowRequests), c.recall,
		running(func(ctx context.Context) error { return c.roster.Run(ctx, c.store, c.log.Named("fleet")) }),
		running(func(ctx context.Context) error { return c.reachedAt.run(ctx, c.moved) }),
	}
	for _, run := range append(c.auditing.runs(), c.besides...) {
		out = append(out, running(run))
	}
	return out
}
