package admincmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func connectorsCommand() *cobra.Command {
	return group("connectors", "List, show, change and revoke connectors", func(c *connection) []*cobra.Command {
		return []*cobra.Command{
			listCommand(c, connectors(), "List enrolled connectors"),
			showCommand(c, "connector", connectors().known, (*adminclient.Client).Connector, writeConnector),
			revokeCommand(c, "connector", connectorMember, liveConnectors, (*adminclient.Client).RevokeConnector,
				"Its control stream and every session and flow through it are cut;\nits registration entry is deleted."),
			setCommand(c, connectors(), changeConnector, true),
		}
	})
}

func tunnelersCommand() *cobra.Command {
	return group("tunnelers", "List, show, change and revoke tunnelers", func(c *connection) []*cobra.Command {
		return []*cobra.Command{
			listCommand(c, tunnelers(), "List enrolled tunnelers"),
			showCommand(c, "tunneler", tunnelers().known, (*adminclient.Client).Tunneler, writeTunneler),
			revokeCommand(c, "tunneler", tunnelerMember, liveTunnelers, (*adminclient.Client).RevokeTunneler,
				"Its sessions and flows are cut at every connector; its registration entry is deleted."),
			setCommand(c, tunnelers(), changeTunneler, false),
		}
	})
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
		note = revokedNote(m.Status, m.RevokedAt, now)
	case m.Clone != nil:
		note = "cloned: its host key is also used " + elsewhere(*m.Clone)
	case m.Contested:
		note = "contested: a second key tried its token"
	}
	return []string{
		m.ID, shownStatus(m.Status, m.RevokedAt), relative(m.LastSeen, now), reported(special), reported(m.Version),
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
		kind: kind, argument: "ID", list: kind + "s list",
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
