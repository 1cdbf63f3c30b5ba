package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidc"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
)

// maxSecret is far above any client secret.
const maxSecret = 4 << 10

// signIn fills in what the admin API needs to know who calls.
func (c *controller) signIn(a *api.Config, now func() time.Time) error {
	box, err := keys.OpenBox(c.paths.sealKey())
	if err != nil {
		return err
	}
	a.Identity, err = auth.New(auth.Config{
		Store: c.store, Seal: box, Audit: c.audit, Log: c.log, Now: now, Product: c.td.Name(), OwnerSignedIn: c.dropSetupLink,
	})
	if err != nil {
		return err
	}
	c.identity = a.Identity
	cfg := c.cfg.Admin
	a.Auth, a.PublicURL, a.InsecureListen, a.Hosts = a.Identity.Keys, cfg.PublicURL, cfg.InsecureListen, cfg.ACME.Domains
	if cfg.OIDC.Issuer != "" {
		provider, err := newProvider(cfg, box, now)
		if err != nil {
			return err
		}
		a.OIDC, a.OIDCName = provider, cfg.OIDC.Name
	}
	return nil
}

// atHangup gives run each SIGHUP of this process.
func atHangup(run func(context.Context, <-chan os.Signal) error) func(context.Context) error {
	return func(ctx context.Context) error {
		hangups := make(chan os.Signal, 1)
		signal.Notify(hangups, syscall.SIGHUP)
		defer signal.Stop(hangups)
		return run(ctx, hangups)
	}
}

func newProvider(cfg config.Admin, box *keys.Box, now func() time.Time) (*oidc.Provider, error) {
	secret, err := atomicfile.Read(cfg.OIDC.ClientSecretPath, maxSecret)
	if err != nil {
		return nil, fmt.Errorf("admin.oidc.client_secret_path: %w", err)
	}
	roles := map[string]auth.Role{}
	for _, r := range []struct { // the strongest last: it counts for a group that has two
		groups []string
		role   auth.Role
	}{
		{cfg.OIDC.Roles.Auditor, auth.Auditor},
		{cfg.OIDC.Roles.Operator, auth.Operator},
		{cfg.OIDC.Roles.Admin, auth.Admin},
		{cfg.OIDC.Roles.Owner, auth.Owner},
	} {
		for _, g := range r.groups {
			roles[g] = r.role
		}
	}
	return oidc.New(oidc.Config{
		Issuer: cfg.OIDC.Issuer, ClientID: cfg.OIDC.ClientID, ClientSecret: strings.TrimSpace(string(secret)),
		RedirectURL: strings.TrimSuffix(cfg.PublicURL, "/") + "/api/admin/session/oidc/callback",
		Scopes:      cfg.OIDC.Scopes, GroupsClaim: cfg.OIDC.GroupsClaim, Roles: roles, Seal: box, Now: now,
	}), nil
}

// offerSetup makes the first owner's link while there is no owner: into a file of
// this user, and onto a terminal if there is one. Whoever can read either could
// start the controller too.
func (c *controller) offerSetup(ctx context.Context) error {
	code, err := c.identity.People.FirstLink(ctx)
	if err != nil {
		return err
	}
	if code == "" {
		return removeIfThere(c.paths.setupLink())
	}
	link := c.admin.SetupURL(code)
	if err := atomicfile.Write(c.paths.setupLink(), []byte(link+"\n"), 0o600); err != nil {
		return fmt.Errorf("write setup link: %w", err)
	}
	c.log.Info("this controller has no owner yet: open the setup link within 24 hours", zap.String("file", c.paths.setupLink()))
	c.setup = link
	return nil
}

// showSetup shows the link of the first owner on a terminal, apart from the log.
func (c *controller) showSetup(w *os.File) {
	if c.setup == "" || !isatty.IsTerminal(w.Fd()) {
		return
	}
	paint := cli.NewPaint(w)
	rule := strings.Repeat("-", 72)
	_, _ = fmt.Fprintf(w, "\n%s\n  Set up the first owner (once, within 24 hours):\n\n    %s\n%s\n\n", rule, paint.Bold(c.setup), rule)
}

// dropSetupLink removes the file of the link that an owner's sign-in made useless.
func (s site) dropSetupLink() {
	if err := removeIfThere(s.paths.setupLink()); err != nil {
		s.log.Warn("file of a used setup link not removed", zap.String("file", s.paths.setupLink()), zap.Error(err))
	}
}

// retireFirstKey ends the API key that an earlier release left in the data directory.
func (c *controller) retireFirstKey(ctx context.Context) error {
	retired, err := c.identity.Keys.RetireFirstKey(ctx, c.paths.firstKey())
	if err == nil && retired {
		c.log.Info("the API key of the first start was revoked and its file removed: at the local admin socket, root and the controller's own user need no key; "+
			"for others create one with `grpccontroller key create`", zap.String("file", c.paths.firstKey()), zap.String("socket", c.paths.adminSocket()))
	}
	return err
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
