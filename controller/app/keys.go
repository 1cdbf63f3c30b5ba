package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// allScopes is everything that a key can have.
const allScopes = "all"

// newKey is one run of key create.
type newKey struct {
	auth.NewAPIKey
	scopes []string
	file   string
	out    cli.Output
}

// createdKey is what key create prints as JSON: the secret, or the file that has it.
type createdKey struct {
	Key    adminapi.Key `json:"key"`
	Secret string       `json:"secret,omitempty"`
	File   string       `json:"file,omitempty"`
}

func keyCreateCommand() *cobra.Command {
	var n newKey
	cmd := cli.OnDataDir(&cobra.Command{
		Use:   "create --name NAME --scope SCOPE[,SCOPE]",
		Short: "Create an API key, on the controller's own host",
		Long: `Create an API key and print it, once. It works on the data directory, whether or
not the controller runs, and is audited. Elsewhere, use POST /api/admin/keys or the
dashboard. The commands find a key by --api-key-file or GRPCCONTROLLER_API_KEY_FILE.

Scopes: all, or some of ` + strings.Join(scopeNames(), ", ") + `.`,
		Example: `  sudo grpccontroller key create --name ci --scope fleet:read,tokens:write --ttl 720h
  sudo grpccontroller key create --name operator --scope all --out /root/api-key
  sudo grpccontroller key create --name backup --scope fleet:read --out /root/backup-key -o json`,
	}, loader(), n.create)
	fs := cmd.Flags()
	fs.StringVar(&n.Name, "name", "", "`name` of the key, for people")
	fs.StringSliceVar(&n.scopes, "scope", nil, "`permissions` such as fleet:read,tokens:write; or all")
	fs.DurationVar(&n.Life, "ttl", auth.DefaultKeyLife, "lifetime of the key, at most a year")
	fs.StringVar(&n.file, "out", "", "`file` to write the key to (mode 0600) instead of printing it")
	n.out.Register(fs)
	_ = cmd.MarkFlagRequired("name")
	_ = cmd.MarkFlagRequired("scope")
	cli.ListChoices(cmd, "scope", append([]string{allScopes}, scopeNames()...)...)
	return cmd
}

func (n *newKey) create(cmd *cobra.Command, cfg config.Config) error {
	n.Permissions = permissions(n.scopes)
	if err := auth.CheckScopes(n.Permissions); err != nil { // before anything is opened
		return explainKey(err)
	}
	return onHost(cmd.Context(), cfg, func(a *auth.Auth, by auth.By) error {
		if _, err := os.Lstat(n.file); err == nil { // before there is a key that nobody has
			return fmt.Errorf("%s exists already, and may hold another key: remove it, or name another file", n.file)
		}
		key, text, err := a.Keys.Create(cmd.Context(), n.NewAPIKey, by)
		if err != nil {
			return explainKey(err)
		}
		made := createdKey{Key: adminapi.Key{
			ID: key.ID, Name: key.Name, Scopes: names(key.Permissions), Status: key.State(time.Now()),
			CreatedBy: key.CreatedBy, CreatedAt: key.CreatedAt, ExpiresAt: key.ExpiresAt,
		}}
		if n.file == "" {
			made.Secret = text
		} else {
			if err := atomicfile.Create(n.file, []byte(text+"\n"), 0o600); err != nil {
				return fmt.Errorf("%w: the key %s was created but not saved; `grpccontroller key revoke %[2]s` revokes it", err, key.ID)
			}
			made.File = n.file
		}
		return n.out.Write(cmd.OutOrStdout(), made, func(w io.Writer) error {
			if made.File == "" {
				_, err := fmt.Fprintln(w, text)
				return err
			}
			_, err := fmt.Fprintf(w, "%s in %s, until %s\n", key.ID, made.File, key.ExpiresAt.Format(time.RFC3339))
			return err
		})
	})
}

// explainKey names the flag of what is wrong with a key.
func explainKey(err error) error {
	f, ok := errors.AsType[*auth.FieldError](err)
	if !ok {
		return err
	}
	flag := f.Field
	if flag == "scopes" {
		flag = "scope"
	}
	return cli.UsageError(fmt.Errorf("--%s: %w", flag, f.Err))
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
		if s != allScopes {
			out = append(out, auth.Permission(s))
			continue
		}
		out = append(out, auth.Scopes()...)
	}
	return out
}

func scopeNames() []string { return names(auth.Scopes()) }

func names(all []auth.Permission) []string {
	out := make([]string, len(all))
	for i, p := range all {
		out[i] = string(p)
	}
	return out
}
