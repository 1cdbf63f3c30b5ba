package admincmd

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// showCommand shows what fetch returns, as write lays it out.
func showCommand[T any](
	c *connection, kind string, known func(context.Context, *adminclient.Client) ([]string, error),
	fetch func(*adminclient.Client, context.Context, string) (T, error), write func(io.Writer, T, time.Time) error,
) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show one " + kind + ", also a revoked one",
		Example: fmt.Sprintf("  grpccontroller %ss show %[1]s-local-01\n  grpccontroller %[1]ss show %[1]s-local-01 -o json", kind),
		Args:    cli.Arguments("ID"), ValidArgsFunction: c.complete(known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			it, err := fetch(api, ctx, args[0])
			if err != nil {
				return explainUnknown(err, kind, kind+"s list", args[0])
			}
			return out.Write(cmd.OutOrStdout(), it, func(w io.Writer) error { return write(w, it, time.Now()) })
		}),
	}
	out.Register(cmd.Flags())
	return cmd
}

func writeConnector(w io.Writer, m adminapi.Connector, now time.Time) error {
	return writeFacts(w, append(memberFacts(m.Member, connectorTable([]adminapi.Connector{m}, now), now),
		[2]string{"Network", m.NetworkID},
		[2]string{"Private IP", reported(m.PrivateIP)},
		[2]string{"Tunnelers reach it at", reported(strings.Join(m.Addresses, ","))},
		[2]string{"Stream opened", relative(m.StreamSince, now)},
		[2]string{"Policy revision", strconv.FormatUint(m.PolicyRevision, 10)},
	))
}

func writeTunneler(w io.Writer, m adminapi.Tunneler, now time.Time) error {
	err := writeFacts(w, append(memberFacts(m.Member, tunnelerTable([]adminapi.Tunneler{m}, now), now),
		[2]string{"Connector", reported(m.ConnectorID)},
		[2]string{"Sessions", strconv.Itoa(len(m.Sessions))},
	))
	if err != nil || len(m.Sessions) == 0 {
		return err
	}
	t := cli.Table{Header: []string{"SESSION AT", "OPENED", "LAST REPORT", "FROM", "VERSION"}}
	for _, one := range m.Sessions {
		t.Rows = append(t.Rows, []string{
			one.ConnectorID, relative(one.Since, now), relative(one.LastReport, now), reported(one.RemoteAddress), reported(one.Version),
		})
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	return t.Write(w)
}

// memberFacts are what connectors and tunnelers have in common; list has the one row of
// the member, which ends with its note.
func memberFacts(m adminapi.Member, list cli.Table, now time.Time) [][2]string {
	note := list.Rows[0][len(list.Header)-1]
	return [][2]string{
		{"ID", m.ID},
		{"Name", orDefault(m.Name, "-")},
		{"Labels", labelText(m.Labels)},
		{"Status", shownStatus(m.Status, m.RevokedAt)},
		{"Last seen", both(m.LastSeen, now)},
		{"SPIFFE ID", m.SPIFFEID},
		{"Host", m.HostID},
		{"Enrolled", both(m.EnrolledAt, now)},
		{"Version", reported(m.Version)},
		{"SVID expires", relative(m.SVID.NotAfter, now)},
		{"From", reported(m.RemoteAddress)},
		{"Note", note},
		{"Notes", orDefault(strings.Join(strings.Fields(m.Notes), " "), "-")},
	}
}

func writeFacts(w io.Writer, facts [][2]string) error {
	t := cli.Table{Header: facts[0][:]}
	for _, f := range facts[1:] {
		t.Rows = append(t.Rows, []string{f[0], f[1]})
	}
	return t.Write(w)
}
