package admincmd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func connectorsCommand() *cobra.Command {
	return group("connectors", "List, show and revoke connectors", func(c *connection) []*cobra.Command {
		return []*cobra.Command{
			listCommand(c, "connectors", (*adminclient.Client).Connectors, connectorTable),
			showCommand(c, "connector", (*adminclient.Client).Connector, writeConnector),
			revokeCommand(c, "connector", connectorMember, liveConnectors, (*adminclient.Client).RevokeConnector,
				"Its control stream and every session and flow through it are cut;\nits registration entry is deleted."),
		}
	})
}

func tunnelersCommand() *cobra.Command {
	return group("tunnelers", "List, show and revoke tunnelers", func(c *connection) []*cobra.Command {
		return []*cobra.Command{
			listCommand(c, "tunnelers", (*adminclient.Client).Tunnelers, tunnelerTable),
			showCommand(c, "tunneler", (*adminclient.Client).Tunneler, writeTunneler),
			revokeCommand(c, "tunneler", tunnelerMember, liveTunnelers, (*adminclient.Client).RevokeTunneler,
				"Its sessions and flows are cut at every connector; its registration entry is deleted."),
		}
	})
}

// listCommand lists what fetch returns, as a table of columns.
func listCommand[T any](
	c *connection, name string,
	fetch func(*adminclient.Client, context.Context, adminclient.ListOptions) ([]T, error),
	table func([]T, time.Time) cli.Table,
) *cobra.Command {
	var out cli.Output
	var opts adminclient.ListOptions
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List enrolled " + name,
		Example: fmt.Sprintf("  grpccontroller %s list\n  grpccontroller %[1]s list --status OFFLINE -o json", name),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			opts.Status = strings.ToUpper(opts.Status)
			all, err := fetch(api, ctx, opts)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), all, func(w io.Writer) error { return writeTable(w, table(all, time.Now())) })
		}),
	}
	cmd.Flags().StringVar(&opts.Status, "status", "", "only `ONLINE` or OFFLINE ones")
	cli.Choices(cmd, "status", adminapi.Online, adminapi.Offline)
	cmd.Flags().BoolVar(&opts.IncludeRevoked, "include-revoked", false, "show revoked ones too")
	out.Register(cmd.Flags())
	return cmd
}

func connectorTable(all []adminapi.Connector, now time.Time) cli.Table {
	t := cli.Table{Header: []string{"ID", statusColumn, "LAST SEEN", "PRIVATE IP", "VERSION", "SVID EXPIRES", "FROM", "NOTE"}}
	for _, m := range all {
		row := memberRow(m.Member, m.PrivateIP, now)
		if note := &row[len(row)-1]; *note == "-" && m.Refusal != "" {
			*note = "refuses the policy of this controller: " + quote(m.Refusal)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func tunnelerTable(all []adminapi.Tunneler, now time.Time) cli.Table {
	t := cli.Table{Header: []string{"ID", statusColumn, "LAST SEEN", "CONNECTOR", "VERSION", "SVID EXPIRES", "FROM", "NOTE"}}
	for _, m := range all {
		t.Rows = append(t.Rows, memberRow(m.Member, strings.Join(connectorsOf(m), ","), now))
	}
	return t
}

// connectorsOf are those that a tunneler has a session with, the one that it is shown at
// first; that alone when it has none.
func connectorsOf(m adminapi.Tunneler) []string {
	out := []string{m.ConnectorID}
	for _, one := range m.Sessions {
		if one.ConnectorID != m.ConnectorID {
			out = append(out, one.ConnectorID)
		}
	}
	return out
}

func memberRow(m adminapi.Member, special string, now time.Time) []string {
	note := "-"
	switch {
	case !m.RevokedAt.IsZero():
		note = "revoked " + relative(m.RevokedAt, now)
	case m.Clone != nil:
		note = "cloned: its host key is also used " + elsewhere(*m.Clone)
	case m.Contested:
		note = "contested: a second key tried its token"
	}
	return []string{
		m.ID, m.Status, relative(m.LastSeen, now), reported(special), reported(m.Version),
		relative(m.SVID.NotAfter, now), reported(m.RemoteAddress), note,
	}
}

// elsewhere names both sides of a clone.
func elsewhere(c adminapi.Clone) string {
	if len(c.Sightings) < 2 {
		return "by a SPIRE agent elsewhere"
	}
	return "elsewhere, seen from " + c.Sightings[0].Address + " and " + c.Sightings[1].Address
}

// revokeCommand ends the access of a member; find is what the API knows of it.
func revokeCommand(
	c *connection, kind string, find func(ctx context.Context, api *adminclient.Client, id string) (adminapi.Member, error),
	list func(ctx context.Context, api *adminclient.Client) ([]adminapi.Member, error),
	revoke func(api *adminclient.Client, ctx context.Context, id string) error, cut string,
) *cobra.Command {
	consequences := cut + "\nIf no other member runs on its host, the host's SPIRE agent is banned.\n" +
		"This cannot be undone: the host must enroll again with a new token.\nConnectors that cannot reach the controller grant access until its X509-SVID expires."
	return revocation{
		kind: kind, argument: "ID", list: kind + "s list --include-revoked",
		short: "End the access of a " + kind, long: "End the access of a " + kind + ".\n\n" + consequences,
		example:      fmt.Sprintf("  grpccontroller %ss revoke %[1]s-local-01\n  grpccontroller %[1]ss revoke %[1]s-local-01 --yes", kind),
		consequences: consequences,
		complete: c.complete(func(ctx context.Context, api *adminclient.Client) ([]string, error) {
			all, err := list(ctx, api)
			return described(all, err, func(m adminapi.Member) (string, string, bool) { return m.ID, m.Status, true })
		}),
		find: func(ctx context.Context, api *adminclient.Client, id string) (string, error) {
			m, err := find(ctx, api, id)
			if err != nil || m.RevokedAt.IsZero() {
				return "", err
			}
			return already("was revoked", m.RevokedAt), nil
		},
		revoke: revoke,
	}.command(c)
}

func connectorMember(ctx context.Context, api *adminclient.Client, id string) (adminapi.Member, error) {
	m, err := api.Connector(ctx, id)
	return m.Member, err
}

func tunnelerMember(ctx context.Context, api *adminclient.Client, id string) (adminapi.Member, error) {
	m, err := api.Tunneler(ctx, id)
	return m.Member, err
}

func liveConnectors(ctx context.Context, api *adminclient.Client) (out []adminapi.Member, err error) {
	all, err := api.Connectors(ctx, adminclient.ListOptions{})
	for _, m := range all {
		out = append(out, m.Member)
	}
	return out, err
}

func liveTunnelers(ctx context.Context, api *adminclient.Client) (out []adminapi.Member, err error) {
	all, err := api.Tunnelers(ctx, adminclient.ListOptions{})
	for _, m := range all {
		out = append(out, m.Member)
	}
	return out, err
}
