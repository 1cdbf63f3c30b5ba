package app

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/attention"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
)

// newAdmin makes the admin API and what feeds it; it needs the whole domain.
func (c *controller) newAdmin(now func() time.Time) error {
	c.feed = &events.Feed{Hub: events.NewHub(now), Changes: c.store, Roster: c.roster, Deadlines: c.store, Now: now, Log: c.log.Named("events")}
	commands := func() installer { // the bootstrap CA can be replaced meanwhile
		return installer{trustDomain: c.td, enrollAt: c.reachedAt.enrollAt, scripts: c.installs.Scripts(), ca: c.caPEM()}
	}
	c.series = fleet.NewSeries(c.fleet, c.log.Named("series"), now)
	cfg := api.Config{
		Listen: c.cfg.Listen.Admin, Caps: c.budget.admin, LocalCaps: c.budget.local, Tokens: c.enroll, Requests: c.enroll, Claims: c.enroll, Fleet: c.fleet, Rules: c.rules, Rotations: c.rotation, Bootstrap: c.anchors, Trail: c.auditing.archive, Flows: c.flows,
		Events: c.feed.Hub, Series: c.series, Replays: c.store, OutageBudget: outageBudget(c.cfg), Settings: c.adminSettings(now()),
		TrustDomain: c.td, Version: cli.Version().Version,
		Install: func(t enroll.Token, handed string) []adminapi.InstallCommand {
			return commands().commands(t, handed)
		},
		Enrollment: func() adminapi.Enrollment { return commands().enrollment() },
		Tracer:     c.tracing.Tracer(), Log: c.log, Now: now,
		Audit: func(ctx context.Context, e audit.Event) error { return c.audit.Record(ctx, c.store, e) },
	}
	if err := c.signIn(&cfg, now); err != nil {
		return err
	}
	presenter, err := openPresenter(c.cfg.Admin, c.paths.acme(), c.log)
	if err != nil {
		return err
	}
	if presenter != nil {
		cfg.TLS = presenter.TLS()
		c.background = append(c.background, atHangup(presenter.Run))
		checkCertificate(c.health.Checks(), presenter)
	}
	cfg.Attention = attention.New(attention.Config{
		Fleet: c.fleet, Requests: c.enroll, Rotations: c.rotation, Bootstraps: c.anchors, Store: c.store, Audit: c.audit, Now: now,
		Certificates: presented(presenter), Exports: c.auditing.export.States, RecoveryKey: func() string { return c.recovery.Key().Public },
	})
	// serve holds the lock of the data directory: a socket that is there is nobody's.
	if cfg.Local, err = localsocket.Listen(c.paths.adminSocket()); err != nil {
		return err
	}
	if c.admin, err = api.New(cfg); err != nil {
		return errors.Join(fmt.Errorf("listen.admin: %w", err), cfg.Local.Close())
	}
	return nil
}

// caPEM is the bootstrap CA as hosts have it.
func (f *foundation) caPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.ca.Certificate().Raw})
}

// adminSettings is what of the configuration is worth knowing. It has no secret and
// no path to one.
func (f *foundation) adminSettings(started time.Time) adminapi.Settings {
	group := func(name string, pairs ...string) adminapi.SettingGroup {
		g := adminapi.SettingGroup{Name: name, Settings: []adminapi.Setting{}}
		for i := 0; i+1 < len(pairs); i += 2 {
			g.Settings = append(g.Settings, adminapi.Setting{Key: pairs[i], Value: pairs[i+1]})
		}
		return g
	}
	spire := []string{"mode", f.cfg.SPIRE.Mode}
	if f.cfg.SPIRE.Mode == config.Embedded {
		spire = append(spire, "ca_ttl", health.Span(f.cfg.SPIRE.CATTL), "agent_ttl", health.Span(f.cfg.SPIRE.AgentTTL))
	}
	admin := []string{"public_url", f.cfg.Admin.PublicURL, "sign_in", "password, API key"}
	if f.cfg.Admin.OIDC.Issuer != "" {
		admin = []string{"public_url", f.cfg.Admin.PublicURL, "sign_in", "password, API key, OpenID", "oidc.issuer", f.cfg.Admin.OIDC.Issuer}
	}
	return adminapi.Settings{
		TrustDomain: f.td.Name(), ControllerID: f.cfg.ControllerID, Version: cli.Version().Version, StartedAt: started.UTC(),
		OutageBudget: outageBudget(f.cfg),
		Groups: []adminapi.SettingGroup{
			group("listen", "enrollment", f.lis.enrollment.Addr().String(), "control", f.lis.control.Addr().String(),
				"admin", f.cfg.Listen.Admin, "admin_socket", f.paths.adminSocket(), "health", f.cfg.Listen.Health),
			group("svid_ttl", "controller", health.Span(f.cfg.SVIDTTL.Controller), "connector", health.Span(f.cfg.SVIDTTL.Connector),
				"tunneler", health.Span(f.cfg.SVIDTTL.Tunneler)),
			group("spire", spire...),
			group("fleet", "clones", f.cfg.Clones),
			group("admin", admin...),
		},
	}
}
