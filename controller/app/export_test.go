package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/metrics"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing/otlp"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/server"
)

// Attending is what the control plane tells of connectors, at a policy.
func Attending(r *presence.Roster, p *policy.Propagation, now *policy.Snapshot) control.Attendance {
	return attending{r, p, published{now}, func() {}}
}

type published struct{ now *policy.Snapshot }

func (p published) Current() *policy.Snapshot { return p.now }

// Revisions is what records the revisions of a policy in the audit log.
func Revisions(store interface {
	audit.Store
	PolicyRevision(ctx context.Context) (uint64, error)
	AuditKnows(ctx context.Context, e audit.Event) (bool, error)
	Refresh(ctx context.Context) error
	Current() *policy.Snapshot
}, trail *audit.Log,
) changelog.Reader {
	return &revisions{store: store, policies: store, trail: trail, controller: "c1"}
}

// Announce is announce.
var Announce = announce

// CollectEarly is what serve begins with.
var CollectEarly = collectEarly

// ExportAll exports what serve does, of a controller to which nothing has happened.
func ExportAll(r *metrics.Registry) {
	p := policy.NewPublisher(spiffeid.TrustDomain{}, nil, zap.NewNop(), time.Now)
	storeLatency(r)
	enrollResults(r)
	denialsReturned(r)
	installResults(r)
	measureRevocations(r)
	streamsOpened(r)
	exportExports(r, func() []export.State { return []export.State{{Sink: "file"}} })
	exportKeeper(r, func() audit.KeeperState { return audit.KeeperState{} })
	exportFlows(r, flows.New(flows.Config{Now: time.Now}))
	exportConnections(r, map[string]*sourcelimit.Listener{"enrollment": sourcelimit.NewListener(nil, sourcelimit.Caps{})})
	r.Identity(&mtls.Source{})
	exportFollowers(r, func(context.Context) (uint64, error) { return 0, nil }, map[string]follower{"policy": p, "reconciler": p, "events": p})
	exportReplacement(r, func() (anchors.Phase, error) { return "", nil })
	exportTraces(r, func() otlp.Counts { return otlp.Counts{} })
	exportDomain(r, scraped{
		Policy: p, Roster: presence.NewRoster(time.Now), Reproofs: func() reproof.Status { return reproof.Status{} },
		Unproven: func() (control, session uint64) { return 0, 0 }, Store: NoAlerts{}, Anchors: func() []*x509.Certificate { return nil },
	})
}

// NoAlerts is a store without hosts, witnesses and rotations.
type NoAlerts struct{}

// MarkedHosts implements alertSource.
func (NoAlerts) MarkedHosts(context.Context) (contested, cloned int, err error) { return 0, 0, nil }

// AuditDisputed implements alertSource.
func (NoAlerts) AuditDisputed(context.Context) (int, error) { return 0, nil }

// Rotation implements alertSource.
func (NoAlerts) Rotation(context.Context) (rotation.Rotation, error) {
	return rotation.Rotation{}, rotation.ErrNone
}

// At is a follower at a position.
type At uint64

// Position implements follower.
func (a At) Position() uint64 { return uint64(a) }

// Lags exports the lag of followers, by name, behind a log.
func Lags(r *metrics.Registry, position func(context.Context) (uint64, error), at map[string]At) {
	all := map[string]follower{}
	for name, a := range at {
		all[name] = a
	}
	exportFollowers(r, position, all)
}

// Replacement exports how far a replacement of the bootstrap CA is.
func Replacement(r *metrics.Registry, phase anchors.Phase, err error) {
	exportReplacement(r, func() (anchors.Phase, error) { return phase, err })
}

// Alerts exports what a store says.
func Alerts(r *metrics.Registry, s alertSource) { exportAlerts(r, s) }

// Lag is the policy lag between a snapshot and a headcount.
func Lag(s *policy.Snapshot, h presence.Headcount) float64 { return lag(s, h) }

// Advertised is advertised, whose listeners are at these addresses.
type Advertised struct{ *advertised }

// NewAdvertised has the route looked up by route.
func NewAdvertised(configured, spireServer string, listeners [3]string, route func() netip.Addr) Advertised {
	at := func(i int) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(listeners[i])) }
	a := &advertised{
		configured: configured, spireServer: spireServer, log: zap.NewNop(), route: func(context.Context) netip.Addr { return route() },
		enrollment: at(0), control: at(1),
	}
	if spireServer == "" {
		a.spireListens(at(2))
	}
	return Advertised{a}
}

// Look is look.
func (a Advertised) Look(ctx context.Context) bool { return a.look(ctx) }

// Run is run.
func (a Advertised) Run(ctx context.Context, moved func()) error { return a.run(ctx, moved) }

// All are the addresses of enrollment, control plane and SPIRE server.
func (a Advertised) All() []string {
	e := a.endpoints()
	return append(append([]string{a.enrollAt()}, e.ControlPlane...), e.SPIREServer)
}

// Check is check.
func (a Advertised) Check(ctx context.Context) error { return a.check(ctx) }

// Explain is explain.
func (a Advertised) Explain() string { return a.explain() }

// Unconfigured is what doctor finds in the addresses that a controller tells.
func (a Advertised) Unconfigured(enrollment, control, spireServer string) []doctor.Finding {
	return a.unconfigured(runFile{Enrollment: enrollment, Control: control, SPIREServer: spireServer})
}

// PublicAddress is what doctor finds in a configuration.
func PublicAddress(ctx context.Context, cfg config.Config) []doctor.Finding {
	return (&checkup{cfg: cfg}).publicAddress(ctx)
}

// LookEvery is lookEvery.
const LookEvery = lookEvery

// Enrollment is what a host needs that asks to be enrolled.
func Enrollment(td spiffeid.TrustDomain, enrollAt string, ca []byte, scripts bool) adminapi.Enrollment {
	return installer{trustDomain: td, enrollAt: func() string { return enrollAt }, ca: ca, scripts: scripts}.enrollment()
}

// InstallCommands are those of a controller with an install tree, or without.
func InstallCommands(td spiffeid.TrustDomain, enrollAt string, ca []byte, scripts bool) func(enroll.Token, string) []adminapi.InstallCommand {
	return installer{trustDomain: td, enrollAt: func() string { return enrollAt }, ca: ca, scripts: scripts}.commands
}

// Descriptors are those that the listeners of a Wired share. They are few, so that what
// a listener gets of them is not what it would have if it were told nothing.
const Descriptors = 1000

// Wired is a controller on a SPIRE that a test plays, with everything that serve
// builds and runs but the processes of SPIRE.
type Wired struct {
	c    *controller
	idle []string
	stop func() error
}

// Wire starts a controller. spire is the admin socket of the server, workload that of
// the Workload API, which has to give the SVID of the controller id.
func Wire(ctx context.Context, cfg config.Config, spire, workload string, id spiffeid.ID) (w *Wired, err error) {
	s := site{cfg: cfg, log: zap.NewNop(), paths: paths(cfg.DataDir), descriptors: Descriptors}
	if s.td, err = spiffeid.TrustDomainFromString(cfg.TrustDomain); err != nil {
		return nil, err
	}
	if err := makeDataDir(cfg.DataDir); err != nil {
		return nil, err
	}
	f, err := openFoundation(ctx, s)
	if err != nil {
		return nil, err
	}
	i := &identified{foundation: f}
	if i.own, err = bootstrapca.OwnEntry(id, cfg.ControllerID, identity.NewHostID(), cfg.SVIDTTL.Controller); err != nil {
		return nil, err
	}
	if i.spire, err = server.Dial(spire, s.td, s.log); err != nil {
		return nil, err
	}
	if i.source, err = mtls.Open(ctx, mtls.SourceConfig{Socket: "unix://" + workload, ID: id, Log: s.log}); err != nil {
		return nil, err
	}
	g, gctx := errgroup.WithContext(ctx)
	c, err := newController(i, gctx.Done())
	if err != nil {
		return nil, err
	}
	if err := c.beginPolicy(ctx); err != nil {
		return nil, err
	}
	components := c.components()
	for _, it := range components {
		g.Go(func() error { return it.Run(gctx) })
	}
	return &Wired{c: c, idle: idle(reflect.ValueOf(c).Elem(), components), stop: func() error {
		err := g.Wait()
		i.source.Close()
		return errors.Join(err, i.spire.Close(), f.close())
	}}, nil
}

// idle are the parts that were built and have a Run which nobody calls.
func idle(v reflect.Value, components []component) (names []string) {
	for n := range v.NumField() {
		f := reflect.NewAt(v.Field(n).Type(), v.Field(n).Addr().UnsafePointer()).Elem() // it may be unexported
		if v.Type().Field(n).Anonymous {
			names = append(names, idle(reflect.Indirect(f), components)...)
			continue
		}
		part, ok := f.Interface().(component)
		if name := v.Type().Field(n).Name; ok && !slices.Contains(components, part) && name != "health" { // health runs around all
			names = append(names, name)
		}
	}
	return names
}

// Behind names the followers of the change log that have not taken all of it.
func (w *Wired) Behind(ctx context.Context) (names []string, err error) {
	newest, err := w.c.store.ChangePosition(ctx)
	for name, f := range w.c.followers() {
		if f.Position() < newest {
			names = append(names, name)
		}
	}
	return names, err
}

// Rules are the resources, grants and policy tests.
func (w *Wired) Rules() *policy.Rules { return w.c.rules }

// Declare is what a start does with what is declared.
func (w *Wired) Declare(ctx context.Context, d config.Declared) (err error) {
	if w.c.declaredPolicy, err = readDeclaredPolicy(d); err != nil {
		return err
	}
	if w.c.declared, err = readDeclared(d); err != nil {
		return err
	}
	return w.c.declare(ctx)
}

// AuditOf lists the events of an actor, oldest first, as ACTION TARGET.
func (w *Wired) AuditOf(ctx context.Context, actor string) (out []string, err error) {
	all, err := w.c.store.AuditSince(ctx, time.Time{})
	for _, e := range all {
		if e.Actor == actor {
			out = append(out, string(e.Action)+" "+e.Target)
		}
	}
	return out, err
}

// Recorded says that the audit log has an event of the policy in force, and that each
// of its events has a place.
func (w *Wired) Recorded(ctx context.Context) (bool, error) {
	all, err := w.c.store.AuditSince(ctx, time.Time{})
	target := fmt.Sprintf("policy/%d", w.Policy().Revision)
	known := slices.ContainsFunc(all, func(e audit.Event) bool { return e.Action == audit.PolicyIssue && e.Target == target })
	return known && w.c.auditing.sequencer.Head().Size == int64(len(all)), err
}

// Connections are those of all listeners.
func (w *Wired) Connections() map[string]*sourcelimit.Listener { return w.c.connections() }

// Idle names the parts whose Run nobody calls.
func (w *Wired) Idle() []string { return w.idle }

// Enroll is the service that redeems tokens.
func (w *Wired) Enroll() *enroll.Service { return w.c.enroll }

// Fleet revokes.
func (w *Wired) Fleet() *fleet.Fleet { return w.c.fleet }

// AuditRows are how many events the audit log has.
func (w *Wired) AuditRows(ctx context.Context) (int, error) {
	all, err := w.c.store.AuditSince(ctx, time.Time{})
	return len(all), err
}

// Control is where connectors and tunnelers connect to.
func (w *Wired) Control() string { return w.c.lis.control.Addr().String() }

// Unproven is how many refused proofs members reported.
func (w *Wired) Unproven() (control, session uint64) { return w.c.auditing.collector.Unproven() }

// Checks are those of readiness.
func (w *Wired) Checks() *health.Checks { return w.c.health.Checks() }

// Roster is who is here.
func (w *Wired) Roster() *presence.Roster { return w.c.roster }

// Policy is what is in force.
func (w *Wired) Policy() *policy.Snapshot { return w.c.policy.Current() }

// CertifiedHosts is what a replacement of the bootstrap CA waits for.
func (w *Wired) CertifiedHosts(ctx context.Context) ([]anchors.Host, error) {
	return w.c.certifiedHosts(ctx)
}

// Moved is what happens when the controller is found elsewhere, and woken who has to
// tell its peers.
func (w *Wired) Moved() (woken bool) {
	changed, unsubscribe := w.c.addresses.Subscribe()
	defer unsubscribe()
	w.c.moved()
	select {
	case <-changed:
		return true
	default:
		return false
	}
}

// Wait returns when all has ended, which the context of Wire asks for.
func (w *Wired) Wait() error { return w.stop() }

// ReadDeclared reads what is declared.
func ReadDeclared(d config.Declared) (auth.Declared, error) { return readDeclared(d) }

// CheckDeclaredPolicy reads a declared policy.
func CheckDeclaredPolicy(d config.Declared) error {
	_, err := readDeclaredPolicy(d)
	return err
}

// Exposed says whether everybody can read a file.
func Exposed(path string) bool { return exposed(path) }

// DoctorChecks and ReadinessChecks are the names that docs/troubleshooting.md explains.
func DoctorChecks() (names []string) {
	for _, c := range (&checkup{}).checks() {
		names = append(names, c.Name)
	}
	return names
}

// ReadinessChecks are those of /readyz.
func ReadinessChecks() []string {
	return []string{
		checkStore, checkServer, checkAgent, checkIdentity, checkEntries, checkAddress, checkRefused, checkSequenced, checkVerified, checkExport,
	}
}
