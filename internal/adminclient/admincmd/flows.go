package admincmd

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func flowsCommand() *cobra.Command {
	cmd := group("flows", "Show who reached what, and who was refused", func(c *connection) []*cobra.Command {
		return []*cobra.Command{flowsList(c), flowsExport(c), flowsTotals(c)}
	})
	cmd.Example = `  # What a tunneler reached today, and what it was refused
  grpccontroller flows list --tunneler laptop-01 --since 24h

  # Why a refused one was refused
  grpccontroller flows list --code refused -o wide
  grpccontroller explain --from laptop-01 --to db.corp:5432

  grpccontroller flows totals`
	return cmd
}

func flowsList(c *connection) *cobra.Command {
	var out cli.Output
	var f adminclient.FlowFilter
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List flows that are over, the one that ended last first",
		Long: `List flows that are over, the one that ended last first. A flow appears within seconds of its
end. Many refused opens of one tunneler are one record, which counts them.`,
		Example: `  grpccontroller flows list --tunneler tunneler-laptop-01 --since 24h
  grpccontroller flows list --code refused -o wide
  grpccontroller flows list --resource db --limit 1000 -o json`,
		PreRunE: func(*cobra.Command, []string) error { return checkLimit(limit) },
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			all, err := api.Flows(ctx, f, limit)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), all, func(w io.Writer) error {
				if out.String() == cli.OutputName {
					return flowNames(w, all)
				}
				return flowTable(all, out.String() == cli.OutputWide).Write(w)
			})
		}),
	}
	registerFlowFilter(cmd, c, &f)
	cmd.Flags().IntVar(&limit, "limit", 50, "at most this `number` of records")
	out.RegisterThings(cmd.Flags())
	return cmd
}

func flowsExport(c *connection) *cobra.Command {
	var f adminclient.FlowFilter
	cmd := &cobra.Command{
		Use: "export", Short: "Write flow records to standard output as JSON lines, oldest first",
		Example: `  grpccontroller flows export > flows.jsonl
  grpccontroller flows export --since 24h | jq 'select(.code == "refused")'`,
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			return api.ExportFlows(ctx, f, cmd.OutOrStdout())
		}),
	}
	registerFlowFilter(cmd, c, &f)
	return cmd
}

func flowsTotals(c *connection) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use: "totals", Short: "Show how many flows there are and were, and their bytes",
		Long: `Show how many flows there are and were, and their bytes.

REACHED are flows whose target was reached, REFUSED opens that no grant allows, and FAILED
those that a grant allows and whose target was not reached. UNRECORDED are flows without a
record. A flow counts when it has ended.`,
		Example: "  grpccontroller flows totals\n  grpccontroller flows totals -o json | jq .day.refused",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			t, err := api.FlowTotals(ctx)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), t, func(w io.Writer) error { return writeTotals(w, t) })
		}),
	}
	out.Register(cmd.Flags())
	return cmd
}

func registerFlowFilter(cmd *cobra.Command, c *connection, f *adminclient.FlowFilter) {
	fs := cmd.Flags()
	const star = " (a * at the end matches any text)"
	fs.StringVar(&f.Tunneler, "tunneler", "", "only flows of the tunneler with this `id`"+star)
	fs.StringVar(&f.Connector, "connector", "", "only flows through the connector with this `id`"+star)
	fs.StringVar(&f.Network, "network", "", "only flows into the network with this `id`"+star)
	fs.StringVar(&f.Resource, "resource", "", "only flows to the resource with this `id`"+star)
	fs.StringVar(&f.Target, "target", "", "only flows to this `host:port`"+star)
	fs.StringVar(&f.Code, "code", "", "only flows that ended with this `code`, such as refused or revoked"+star)
	fs.StringVar(&f.Decision, "decision", "", "only flows with this `decision`, such as not_granted"+star)
	fs.Var(&when{at: &f.Since}, "since", "that ended at this `time` (RFC 3339), or so long ago (24h), or later")
	fs.Var(&when{at: &f.Until}, "until", "that ended before this `time` (RFC 3339), or so long ago (1h)")
	for flag, list := range map[string]func(context.Context, *adminclient.Client) ([]string, error){
		"tunneler": tunnelers().known, "connector": connectors().known, "network": networks().known, "resource": resources().known, "target": knownTargets,
	} {
		c.completeFlag(cmd, flag, list)
	}
	var decisions []string
	for _, c := range access.Codes() {
		decisions = append(decisions, cobra.CompletionWithDesc(string(c), c.Reason()))
	}
	for flag, codes := range map[string][]string{"code": adminapi.FlowCodes(), "decision": decisions} {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(codes, cobra.ShellCompDirectiveNoFileComp))
	}
}

func flowNames(w io.Writer, all []adminapi.FlowRecord) error {
	for _, r := range all {
		if _, err := fmt.Fprintln(w, cli.Printable(r.ID)); err != nil {
			return err
		}
	}
	return nil
}

func flowTable(all []adminapi.FlowRecord, wide bool) cli.Table {
	t := cli.Table{Header: []string{"ENDED", "TUNNELER", "TARGET", "RESOURCE", "CODE", "LASTED", "UP", "DOWN"}}
	if wide {
		t.Header = append(t.Header, "ID", "CONNECTOR", "NETWORK", "ADDRESS", "DECISION", "GRANT", "OPENED")
	}
	for _, r := range all {
		row := []string{
			absolute(r.EndedAt), r.TunnelerID, r.Target, orDefault(r.ResourceID, "-"), times(r.Code, r.Count),
			r.EndedAt.Sub(r.OpenedAt).Round(time.Millisecond).String(), strconv.FormatUint(r.BytesUp, 10), strconv.FormatUint(r.BytesDown, 10),
		}
		if wide {
			row = append(row, r.ID, r.ConnectorID, r.NetworkID, orDefault(r.Address, "-"), r.Decision, orDefault(r.GrantID, "-"), absolute(r.OpenedAt))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// times says behind a text how many it stands for.
func times(text string, n uint64) string {
	if n < 2 {
		return text
	}
	return text + " (" + strconv.FormatUint(n, 10) + " times)"
}

func writeTotals(w io.Writer, t adminapi.FlowTotals) error {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	table := cli.Table{Header: []string{"TIME", "REACHED", "REFUSED", "FAILED", "UP", "DOWN", "UNRECORDED"}}
	for _, row := range []struct {
		name string
		sum  adminapi.FlowSum
	}{{"last hour", t.Hour}, {"last day", t.Day}} {
		table.Rows = append(table.Rows, []string{
			row.name, number(row.sum.Flows), number(row.sum.Refused), number(row.sum.Failed), number(row.sum.BytesUp), number(row.sum.BytesDown), number(row.sum.Unrecorded),
		})
	}
	if err := table.Write(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d open\n", t.Open)
	return err
}
