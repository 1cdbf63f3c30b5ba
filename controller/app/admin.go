package app

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/series"
)

// newAdmin makes the admin API and what feeds it; it needs the whole domain.
func (c *controller) newAdmin(now func() time.Time) error {
	c.feed = &events.Feed{Hub: events.NewHub(now), Changes: c.store, Roster: c.roster, Deadlines: c.store, Now: now, Log: c.log.Named("events")}
	commands := func() installer { // the bootstrap CA can be replaced meanwhile
		return installer{trustDomain: c.td, enrollAt: c.reachedAt.enrollAt, scripts: c.installs.scripts(), ca: c.caPEM()}
	}
	c.series = series.New(c.fleet, c.log.Named("series"), now)
	cfg := api.Config{
		Listen: c.cfg.Listen.Admin, Caps: c.budget.admin, LocalCaps: c.budget.local, Tokens: c.enroll, Requests: c.enroll, Claims: c.enroll, Fleet: c.fleet, Rotations: c.rotation, Bootstrap: c.anchors, Trail: c.auditing.archive,
		Events: c.feed.Hub, Series: c.series, Replays: c.store, OutageBudget: outageBudget(c.cfg), Settings: c.adminSettings(now()),
		TrustDomain: c.td, Version: cli.Version().Version,
		Install: func(t enroll.Token, handed string) []adminapi.InstallCommand {
			return commands().commands(t, handed)
		},
		Enrollment:  func() adminapi.Enrollment { return commands().enrollment() },
		RecoveryKey: func() string { return c.recovery.Key().Public },
		Tracer:      c.tracing.Tracer(), Log: c.log, Now: now,
		Audit: func(ctx context.Context, e audit.Event) error { return c.audit.Record(ctx, c.store, e) },
	}
	run, err := c.signIn(&cfg, now)
	if err != nil {
		return err
	}
	if run != nil {
		c.besides = append(c.besides, run)
	}
	// serve holds the lock of the data directory: a socket that is there is nobody's.
	if cfg.Local, err = adminsocket.Listen(c.paths.adminSocket()); err != nil {
		return err
	}
	if c.admin, err = api.New(cfg); err != nil {
		return errors.Join(fmt.Errorf("listen.admin: %w", err), cfg.Local.Close())
	}
	return nil
}

// caPEM is the bootstrap CA as hosts have it.
func (c *controller) caPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.ca.Certificate().Raw})
}

// adminSettings is what of the configuration is worth knowing. It has no secret and
// no path to one.
func (c *controller) adminSettings(started time.Time) adminapi.Settings {
	group := func(name string, pairs ...string) adminapi.SettingGroup {
		g := adminapi.SettingGroup{Name: name, Settings: []adminapi.Setting{}}
		for i := 0; i+1 < len(pairs); i += 2 {
			g.Settings = append(g.Settings, adminapi.Setting{Key: pairs[i], Value: pairs[i+1]})
		}
		return g
	}
	spire := []string{"mode", c.cfg.SPIRE.Mode}
	if c.cfg.SPIRE.Mode == config.Embedded {
		spire = append(spire, "ca_ttl", c.cfg.SPIRE.CATTL.String(), "agent_ttl", c.cfg.SPIRE.AgentTTL.String())
	}
	admin := []string{"public_url", c.cfg.Admin.PublicURL, "sign_in", "password, API key"}
	if c.cfg.Admin.OIDC.Issuer != "" {
		admin = []string{"public_url", c.cfg.Admin.PublicURL, "sign_in", "password, API key, OpenID", "oidc.issuer", c.cfg.Admin.OIDC.Issuer}
	}
	return adminapi.Settings{
		TrustDomain: c.td.Name(), ControllerID: c.cfg.ControllerID, Version: cli.Version().Version, StartedAt: started.UTC(),
		OutageBudget: outageBudget(c.cfg),
		Groups: []adminapi.SettingGroup{
			group("listen", "enrollment", c.lis.enrollment.Addr().String(), "control", c.lis.control.Addr().String(),
				"admin", c.cfg.Listen.Admin, "admin_socket", c.paths.adminSocket(), "health", c.cfg.Listen.Health),
			group("svid_ttl", "controller", c.cfg.SVIDTTL.Controller.String(), "connector", c.cfg.SVIDTTL.Connector.String(),
				"tunneler", c.cfg.SVIDTTL.Tunneler.String()),
			group("spire", spire...),
			group("fleet", "clones", c.cfg.Clones),
			group("admin", admin...),
		},
	}
}
