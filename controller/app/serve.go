package app

import (
	"context"
	"errors"
	"os"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/backup"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/install"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
)

// controller is everything that serve runs: the domain, and its faces to hosts and people.
//
// Each part embeds the one that has to be there before it (site, foundation, identified,
// core, controller), and its constructor returns it complete. So what a method uses was
// built before, or it does not compile.
type controller struct {
	*core

	enrollment, plane *control.Server
	admin             *api.Server
	identity          *auth.Auth
	background        []func(context.Context) error // run as long as the listeners do
	feed              *events.Feed
	series            *fleet.Series
	setup             string // link of the first owner; empty once there is one
}

// serve runs the controller until ctx ends. Parts start in the order of this function and
// stop in the other one.
func serve(ctx context.Context, cfg config.Config, log *zap.Logger) (err error) {
	collectEarly()
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	s, err := newSite(cfg, log)
	if err != nil {
		return err
	}
	unlock, err := lockDataDir(s.paths)
	if err != nil {
		return err
	}
	defer unlock()
	if err := backup.Incomplete(cfg.DataDir); err != nil {
		return err
	}
	f, err := openFoundation(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close()) }() //nolint:contextcheck // ctx has ended by then
	probes := start(ctx, abort, f.health.Run)
	defer func() { err = errors.Join(err, probes.stop()) }()

	i, stopSPIRE, err := startSPIRE(ctx, f, abort)
	defer func() { err = errors.Join(err, stopSPIRE()) }()
	if err != nil {
		return cause(ctx, err)
	}
	return run(ctx, i)
}

// cause prefers why a stage died over what its death led to.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); why != nil && !errors.Is(why, context.Canceled) {
		return why
	}
	return err
}

// run serves until ctx ends.
func run(ctx context.Context, i *identified) error {
	g, gctx := errgroup.WithContext(ctx)
	c, err := newController(i, gctx.Done()) //nolint:contextcheck // binds at once
	if err != nil {
		return err
	}
	if err := c.begin(ctx); err != nil {
		return err
	}
	for _, component := range c.components() {
		g.Go(func() error { return component.Run(gctx) })
	}
	announced := make(chan struct{})
	g.Go(func() error { return announce(gctx, c.health.Checks(), c.log, c.sayReady, announced) })
	g.Go(func() error { return c.notify(gctx, announced) })
	err = g.Wait()
	c.log.Info("controller stopped")
	return cause(ctx, err)
}

// newController makes the domain and its faces. stopping is closed when the streams of
// peers have to end.
func newController(i *identified, stopping <-chan struct{}) (*controller, error) {
	now := time.Now
	domain, err := newCore(i, now)
	if err != nil {
		return nil, err
	}
	c := &controller{core: domain}
	if err := c.newAdmin(now); err != nil {
		return nil, err
	}
	if c.enrollment, c.plane, err = c.servers(stopping); err != nil {
		return nil, err
	}
	c.explain(c.health.Checks())
	exportConnections(c.metrics, c.connections())
	exportReplacement(c.metrics, c.anchors.Unfinished)
	exportFollowers(c.metrics, c.store.ChangePosition, c.followers())
	exportDomain(c.metrics, scraped{Policy: c.policy, Roster: c.roster, Reproofs: c.plane.Reproofs, Unproven: c.auditing.collector.Unproven, Store: c.store, Anchors: c.ca.Anchors})
	return c, nil
}

// begin does what has to be done before anything is served.
func (c *controller) begin(ctx context.Context) error {
	if err := c.beginPolicy(ctx); err != nil {
		return err
	}
	if err := c.declare(ctx); err != nil {
		return err
	}
	return errors.Join(c.retireFirstKey(ctx), c.offerSetup(ctx), c.writeRunFile())
}

// moved sends the new address to every host and writes run.json again.
func (c *controller) moved() {
	c.addresses.Wake()
	if err := c.writeRunFile(); err != nil {
		c.log.Warn("run file not written: commands on this host may use old addresses", zap.Error(err))
	}
}

// connections are those of all listeners.
func (c *controller) connections() map[string]*sourcelimit.Listener {
	return map[string]*sourcelimit.Listener{
		"enrollment": c.lis.enrollment, "control": c.lis.control, "admin": c.admin.Connections(), "local": c.admin.LocalConnections(), "health": c.health.Connections(),
	}
}

func (c *controller) servers(stopping <-chan struct{}) (enrollment, plane *control.Server, err error) {
	downloads, err := install.New(install.Config{Source: c.installs, CA: c.caPEM, Result: installResults(c.metrics)})
	if err != nil {
		return nil, nil, err
	}
	propagation := measureRevocations(c.metrics)
	c.background = append(c.background, func(ctx context.Context) error { return propagation.Run(ctx, c.policy) })
	log, roster := c.log.Named("control"), attending{c.roster, propagation, c.policy, streamsOpened(c.metrics)}
	bootstrapTLS := c.ca.ServerConfig(c.hostCAs...)
	enrollment = control.NewEnrollmentServer(c.lis.enrollment, bootstrapTLS, &control.Enrollment{
		TrustDomain: c.td, Redeemer: c.enroll, Requests: c.enroll, Bundles: c.spire, Hosts: c.store, Renewer: c.enroll, Anchors: c.ca, Shown: c.anchors.Note, Policy: c.policy, Recall: c.recall, Endpoints: c.reachedAt.endpoints,
		Timeline: c.recovery.Number, Recovery: c.recovery,
		Result: enrollResults(c.metrics), Install: downloads, Failing: c.failing(checkStore, checkServer), Stopping: stopping, Log: log,
	}, log, c.tracing.ServerOptions(control.Traced)...)
	peers := control.Peers{Identity: c.source, Authorize: mtls.Kinds(c.td, identity.KindConnector, identity.KindTunneler)}
	attendance := control.Recording{Attendance: roster, Reports: c.auditing.collector}
	plane = control.NewControlServer(c.lis.control, peers,
		&control.ControlPlane{
			Fleet: c.fleet, Roster: attendance, Policy: c.policy, PolicyAge: c.cfg.PolicyAge, Endpoints: c.reachedAt.endpoints, Moved: &c.addresses,
			Audit: c.auditing.witnesses, Reports: c.auditing.collector, Flows: c.flows, Timeline: c.recovery.Number, Recovery: c.recovery, Recall: c.recall, Signer: c.auditing.signer,
			Returns:  control.Returns{Key: c.auditing.signer.VerifierKey, TakeBack: c.fleet.TakeBack, Result: denialsReturned(c.metrics)},
			Outdated: c.roster.Outdated, Failing: c.failing(checkStore, checkIdentity), Stopping: stopping, Log: log,
		},
		&control.Directory{Recall: c.recall, Outdated: c.roster.Outdated, Fleet: c.fleet, Roster: attendance, Policy: c.policy, Reaches: c.policy, Endpoints: c.reachedAt.endpoints, Moved: &c.addresses, Reports: c.auditing.collector, Timeline: c.recovery.Number, Recovery: c.recovery, Stopping: stopping, Log: log}, log)
	return enrollment, plane, nil
}

// sayReady has the setup link last, where a person who started it looks.
func (c *controller) sayReady() {
	c.log.Info("controller ready", zap.Stringer("spiffe_id", c.source.ID()), zap.Stringer("enrollment", c.lis.enrollment.Addr()),
		zap.Stringer("control", c.lis.control.Addr()), zap.Stringer("admin", c.admin.Addr()), zap.String("ca", c.ca.CertificatePath()))
	c.showSetup(os.Stderr)
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
func (c *controller) components() []component {
	out := []component{
		c.enrollment, c.plane, c.admin, c.policy, c.revisions, c.reconciler, c.agents, c.bans, c.recovery, c.rotation, c.anchors, c.enroll, c.feed, c.series,
		&changelog.Pruner{Store: c.store, Logger: c.log.Named("changelog")},
		running(c.pruneWitnesses), running(c.enroll.FollowRequests), c.recall, c.flows,
		running(func(ctx context.Context) error { return c.roster.Run(ctx, c.store, c.log.Named("fleet")) }),
		running(func(ctx context.Context) error { return c.reachedAt.run(ctx, c.moved) }),
	}
	for _, run := range append(c.auditing.runs(), c.background...) {
		out = append(out, running(run))
	}
	return out
}

// stage is something that runs until it is stopped. It outlives the context that
// SIGTERM ends, so that stages stop one after the other.
type stage struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

// start runs fn. When fn ends before stop is called, abort gets the cause.
func start(ctx context.Context, abort context.CancelCauseFunc, fn func(context.Context) error) *stage {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &stage{cancel: cancel, done: make(chan struct{})}
	go func() { // joined by stop
		defer close(s.done)
		s.err = fn(own)
		if own.Err() == nil {
			abort(s.err)
		}
	}()
	return s
}

// stop ends the stage and waits for it.
func (s *stage) stop() error {
	s.cancel()
	<-s.done
	return s.err
}
