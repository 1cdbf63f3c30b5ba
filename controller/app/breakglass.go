package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
)

// The commands of this file work on the data directory, also while the controller
// runs. Whoever can write there owns the controller anyway; here it is audited.

func adminCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "admin", Short: "Regain access, on the controller's own host"}
	var email string
	var yes bool
	reset := cli.OnDataDir(&cobra.Command{
		Use:   "reset-owner",
		Short: "Reset the password, second factor and sessions of an owner and print a setup link",
		Long: `Reset the password, second factor and sessions of an owner and print a setup link.
The link works once, within 24 hours; without any owner it creates the first one.
The command works on the data directory, whether or not the controller runs, asks for
confirmation, and is audited as ` + auth.LocalActor + ` with your user and process.`,
		Example: `  sudo grpccontroller admin reset-owner
  sudo grpccontroller admin reset-owner --email ada@example.com --yes`,
	}, loader(), func(cmd *cobra.Command, cfg config.Config) error {
		if err := admincmd.Confirm(cmd.Context(), cmd, yes, "Reset an owner of this controller?", resetMeans); err != nil {
			return err
		}
		return onHost(cmd.Context(), cfg, func(a *auth.Auth, by auth.By) error {
			code, owner, err := a.People.ResetOwner(cmd.Context(), strings.ToLower(email), by)
			if err != nil {
				return explainReset(err)
			}
			return printLink(cmd.OutOrStdout(), cfg, code, owner)
		})
	})
	reset.Flags().StringVar(&email, "email", "", "`address` of the owner, if there are several")
	admincmd.RegisterYes(reset, &yes)
	cmd.AddCommand(reset)
	return cmd
}

const resetMeans = "Password, second factor and sessions of the owner end now. Anybody with the printed link can sign in as this owner."

func explainReset(err error) error {
	if f, ok := errors.AsType[*auth.FieldError](err); ok {
		return fmt.Errorf("--email: %w", f.Err)
	}
	return err
}

func printLink(w io.Writer, cfg config.Config, code, owner string) error {
	base := cfg.Admin.PublicURL
	if base == "" {
		base = "http://" + api.Reachable(cfg.Listen.Admin)
		if cfg.Admin.TLS() {
			base = "https://" + api.Reachable(cfg.Listen.Admin)
		}
	}
	who := "the first owner"
	if owner != "" {
		who = owner + ", whose sessions have ended"
	}
	_, err := fmt.Fprintf(w, "Setup link for %s (once, within 24 hours):\n%s/setup#code=%s\n", who, strings.TrimSuffix(base, "/"), code)
	return err
}

// onHost runs fn on the data directory that exists.
func onHost(ctx context.Context, cfg config.Config, fn func(a *auth.Auth, by auth.By) error) (err error) {
	db := paths(cfg.DataDir).database()
	if _, err := os.Stat(db); err != nil {
		return fmt.Errorf("no controller data in %s: %w: set --data-dir, and run this as the controller's user", cfg.DataDir, err)
	}
	s, err := store.Open(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	a, err := auth.New(auth.Config{Store: s, Audit: audit.New(zap.NewNop(), time.Now), Log: zap.NewNop(), Now: time.Now, Product: cfg.TrustDomain})
	if err != nil {
		return err
	}
	return fn(a, auth.By{Actor: auth.LocalActor, Source: localsocket.Self().String()})
}
