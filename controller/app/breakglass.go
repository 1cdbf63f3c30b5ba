package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient/admincmd"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/auth"
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

func keyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Create API keys for programs, on the controller's own host"}
	var n auth.NewAPIKey
	var scopes []string
	var out string
	create := cli.OnDataDir(&cobra.Command{
		Use:   "create",
		Short: "Create an API key",
		Long: `Create an API key and print it, once. It works on the data directory, whether or
not the controller runs, and is audited. Elsewhere, use POST /api/admin/keys or the
dashboard. The commands find a key by --api-key-file or GRPCCONTROLLER_API_KEY_FILE.`,
		Example: `  sudo grpccontroller key create --name ci --scope fleet:read,tokens:write --ttl 720h
  sudo grpccontroller key create --name operator --scope all --out /root/api-key`,
	}, loader(), func(cmd *cobra.Command, cfg config.Config) error {
		n.Permissions = permissions(scopes)
		return onHost(cmd.Context(), cfg, func(a *auth.Auth, by auth.By) error {
			if _, err := os.Lstat(out); err == nil { // before there is a key that nobody has
				return fmt.Errorf("%s exists already, and may hold another key: remove it, or name another file", out)
			}
			key, text, err := a.Keys.Create(cmd.Context(), n, by)
			if err != nil {
				return err
			}
			if out == "" {
				_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
				return err
			}
			if err := atomicfile.Create(out, []byte(text+"\n"), 0o600); err != nil {
				return fmt.Errorf("%w: the key %s was created but not saved, revoke it", err, key.ID)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s in %s, until %s\n", key.ID, out, key.ExpiresAt.Format(time.RFC3339))
			return err
		})
	})
	create.Flags().StringVar(&n.Name, "name", "", "`name` of the key, for people")
	create.Flags().StringSliceVar(&scopes, "scope", nil, "`permissions` such as fleet:read,tokens:write; or all")
	create.Flags().DurationVar(&n.Life, "ttl", auth.DefaultKeyLife, "lifetime of the key, at most a year")
	create.Flags().StringVar(&out, "out", "", "`file` to write the key to (mode 0600) instead of printing it")
	cmd.AddCommand(create, generateKeyCommand())
	return cmd
}

// generateKeyCommand makes a key for declared.api_key.path.
func generateKeyCommand() *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "generate",
		Short: "Generate an API key for declared.api_key.path",
		Long: `Generate an API key and print it. The key is not valid until a controller has it
as declared.api_key.path. This needs no controller: run it where you create secrets.`,
		Example: `  grpccontroller key generate --out ./secrets/api-key`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, _ := auth.NewKey()
			if out == "" {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
				return err
			}
			err := atomicfile.Create(out, []byte(text+"\n"), 0o600)
			if errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("%s exists already, and may hold another key: remove it, or name another file", out)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`file` to write the key to (mode 0600) instead of printing it")
	return cmd
}

// permissions reads scopes; "all" is everything that a key can have.
func permissions(scopes []string) []auth.Permission {
	var out []auth.Permission
	for _, s := range scopes {
		if s != "all" {
			out = append(out, auth.Permission(s))
			continue
		}
		for _, p := range auth.Permissions() {
			if p.Grantable() {
				out = append(out, p)
			}
		}
	}
	return out
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
	return fn(a, auth.By{Actor: auth.LocalActor, Source: adminsocket.Self().String()})
}
