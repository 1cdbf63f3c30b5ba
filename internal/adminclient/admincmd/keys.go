package admincmd

import (
	"context"
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
	cmd := &cobra.Command{Use: "key", Short: "Create, list and revoke API keys for programs"}
	for _, of := range []func(*connection) *cobra.Command{keyList, keyRevoke} {
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

func keyRevoke(c *connection) *cobra.Command {
	const consequences = "Programs with this key are refused at once. Everything that it created is revoked too: access tokens, other keys, enrollment tokens that no host has used."
	return revocation{
		kind: "API key", argument: "ID", list: "key list",
		short: "Revoke an API key, and the keys and tokens that it made", long: "Revoke an API key.\n\n" + consequences,
		example:      "  grpccontroller key revoke key_0123456789abcdef",
		consequences: consequences,
		complete: c.complete(func(ctx context.Context, api *adminclient.Client) ([]string, error) {
			all, err := api.Keys(ctx)
			return described(all, err, func(k adminapi.Key) (string, string, bool) { return k.ID, k.Name, k.Status == "active" })
		}),
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
