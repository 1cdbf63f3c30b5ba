package admincmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// keyCommand has the commands of API keys that call the API. Its program adds those
// that make a key, which need none.
func keyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "key", Short: "Create, list, change and revoke API keys for programs"}
	for _, of := range []func(*connection) *cobra.Command{keyList, keySet, keyRevoke} {
		c := &connection{}
		sub := of(c)
		c.register(sub.Flags())
		cmd.AddCommand(sub)
	}
	return cmd
}

func keyList(c *connection) *cobra.Command {
	return listCommand(c, keys(), "List API keys, expired and revoked ones too, newest first")
}

func keyTable(all []adminapi.Key, now time.Time) cli.Table {
	t := cli.Table{Header: []string{"ID", statusColumn, "NAME", "SCOPES", "EXPIRES", "LAST USED", "CREATED", "BY"}}
	for _, k := range all {
		by := k.CreatedBy
		if k.Declared {
			by = "the configuration"
		}
		t.Rows = append(t.Rows, []string{
			k.ID, k.Status, k.Name, orDefault(strings.Join(k.Scopes, ","), "-"), relative(k.ExpiresAt, now),
			relative(k.LastUsedAt, now), relative(k.CreatedAt, now), by,
		})
	}
	return t
}

func keySet(c *connection) *cobra.Command {
	var in adminapi.KeyChange
	var out cli.Output
	cmd := &cobra.Command{
		Use: "set ID", Short: "Change the name or the scopes of an API key",
		Long: `Change the name or the scopes of an API key; its secret and its end stay. --scope names
all scopes that the key has from now on. It gets none that you, or whoever made it, do not
have. Keys that it made and that may do more than it may then are revoked.`,
		Example: "  grpccontroller key set key_0123456789abcdef --scope fleet:read,tokens:write\n  grpccontroller key set key_0123456789abcdef --name \"CI of the website\" -o json",
		Args:    cli.Arguments("ID"), ValidArgsFunction: activeKeys(c),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("name") && !cmd.Flags().Changed("scope") {
				return errors.New("nothing is to be changed: give --name or --scope")
			}
			for _, flag := range []string{"name", "scope"} { // which the request would leave out
				if f := cmd.Flags().Lookup(flag); f.Changed && strings.Trim(f.Value.String(), "[]") == "" {
					return fmt.Errorf("--%s is empty", flag)
				}
			}
			return nil
		},
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			k, err := api.ChangeKey(ctx, args[0], in)
			if err != nil {
				return explainUnknown(err, "API key", "key list", args[0])
			}
			return out.Write(cmd.OutOrStdout(), k, func(io.Writer) error {
				_, err := fmt.Fprintf(cmd.ErrOrStderr(), "API key %s changed\n", quote(k.ID))
				return err
			})
		}),
	}
	fs := cmd.Flags()
	fs.StringVar(&in.Name, "name", "", "another `name`, for people")
	fs.StringSliceVar(&in.Scopes, "scope", nil, "all `scopes` that it has from now on, such as fleet:read,tokens:write")
	out.Register(fs)
	return cmd
}

// activeKeys completes the ids of keys that can be changed.
func activeKeys(c *connection) cobra.CompletionFunc {
	return c.complete(func(ctx context.Context, api *adminclient.Client) ([]string, error) {
		all, err := api.Keys(ctx)
		return described(all, err, func(k adminapi.Key) (string, string, bool) { return k.ID, k.Name, k.Status == "active" })
	})
}

func keyRevoke(c *connection) *cobra.Command {
	const consequences = "Programs with this key are refused at once. Everything that it created is revoked too: access tokens, other keys, enrollment tokens that no host has used."
	return revocation{
		kind: "API key", argument: "ID", list: "key list",
		short: "Revoke an API key, and the keys and tokens that it made", long: "Revoke an API key.\n\n" + consequences,
		example:      "  grpccontroller key revoke key_0123456789abcdef",
		consequences: consequences,
		complete:     activeKeys(c),
		find: func(ctx context.Context, api *adminclient.Client, id string) (string, error) {
			k, err := api.Key(ctx, id)
			if err != nil || k.RevokedAt.IsZero() {
				return "", err
			}
			return already("was revoked", k.RevokedAt), nil
		},
		revoke: (*adminclient.Client).RevokeKey,
	}.command(c)
}
