package admincmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func flowsCommand() *cobra.Command {
	cmd := group("flows", "Show who reached what, and who was refused", func(c *connection) []*cobra.Command {
		return []*cobra.Command{flowsList(c), flowsGet(c), flowsExport(c), flowsTotals(c)}
	})
	cmd.Example = `  # What a tunneler reached today, and what it was refused
  grpccontroller flows list --tunneler laptop-01 --since 24h

  # Those to come, as they end
  grpccontroller flows list --tunneler laptop-01 --follow

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
	var follow bool
	cmd := &cobra.Command{
		Use: "list", Short: "List flows that are over, the one that ended last first",
		Long: `List flows that are over, the one that ended last first. A flow appears within seconds of its
end. Many refused opens of one tunneler are one record, which counts them.

With --follow the newest come last, and the command continues and prints each further one as it
is recorded, until it is interrupted.`,
		Example: `  grpccontroller flows list --tunneler tunneler-laptop-01 --since 24h
  grpccontroller flows list --code refused -o wide
  grpccontroller flows list --code refused --follow
  grpccontroller flows list --resource db --limit 1000 -o json`,
		PreRunE: func(*cobra.Command, []string) error { return checkLimit(limit) },
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			if follow {
				return followFlows(ctx, api, cmd, f, limit, out)
			}
			all, err := api.Flows(ctx, f, limit)
			if err != nil {
				return err
			}
			if err := out.Write(cmd.OutOrStdout(), all, func(w io.Writer) error { return writeFlows(w, all, out) }); err != nil || len(all) > 0 {
				return err
			}
			return noteUnknownOf(ctx, api, cmd, f)
		}),
	}
	registerFlowFilter(cmd, c, &f)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "continue, and print each flow that is recorded")
	cmd.MarkFlagsMutuallyExclusive("follow", "until")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most this `number` of records")
	out.RegisterThings(cmd.Flags())
	return cmd
}

// writeFlows prints for people, and the ids for scripts.
func writeFlows(w io.Writer, all []adminapi.FlowRecord, out cli.Output) error {
	if out.String() == cli.OutputName {
		return flowNames(w, all)
	}
	return flowRecords().layout(all, out, time.Now()).Write(w)
}

// noteUnknownOf says of an empty list which of the things that it was asked for are not there. What
// is gone may have records still.
func noteUnknownOf(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, f adminclient.FlowFilter) error {
	exact := func(id string) bool { return id != "" && !strings.HasSuffix(id, "*") }
	var errs []error
	if exact(f.Tunneler) {
		errs = append(errs, noteUnknown(ctx, api, cmd, tunnelers(), f.Tunneler, "is or was enrolled"))
	}
	if exact(f.Connector) {
		errs = append(errs, noteUnknown(ctx, api, cmd, connectors(), f.Connector, "is or was enrolled"))
	}
	if exact(f.Network) {
		errs = append(errs, noteUnknown(ctx, api, cmd, networks(), f.Network, "is there"))
	}
	if exact(f.Resource) {
		errs = append(errs, noteUnknown(ctx, api, cmd, resources(), f.Resource, "is there"))
	}
	return errors.Join(errs...)
}

// followFlows prints the newest records and then each one that is recorded, until ctx ends. Once
// it has begun the controller may be away: it continues where it was.
func followFlows(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, f adminclient.FlowFilter, limit int, out cli.Output) error {
	_, next, err := api.RecordedFlows(ctx, f, "") // before the list, so that nothing is missed between the two
	if err != nil {
		return err
	}
	all, err := api.Flows(ctx, f, limit)
	if err != nil {
		return err
	}
	slices.Reverse(all)
	shown := map[string]bool{}
	for _, r := range all {
		shown[r.ID] = true
	}
	p := printer[adminapi.FlowRecord]{resource: flowRecords(), w: cmd.OutOrStdout(), s: selection{out: out}}
	for header, answered := true, time.Now(); ; header = false {
		if out.String() == cli.OutputName {
			err = flowNames(p.w, all)
		} else if header || len(all) > 0 {
			err = p.lines(all, header)
		}
		if err != nil {
			return err
		}
		before := next
		if all, next, err = api.RecordedFlows(ctx, f, before); err == nil {
			answered = time.Now()
			all = slices.DeleteFunc(all, func(r adminapi.FlowRecord) bool { return shown[r.ID] })
			if next != before { // there may be more
				continue
			}
		} else if all, next = nil, before; ctx.Err() == nil && (refused(err) || time.Since(answered) > silenceLimit) {
			return err
		}
		select {
		case <-time.After(followEvery):
		case <-ctx.Done():
			return nil
		}
	}
}

func flowsGet(c *connection) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use: "get ID...", Short: "Show some by their id",
		Example: "  grpccontroller flows list --code refused -o name\n  grpccontroller flows get 4711 -o yaml",
		Args:    cli.Arguments("ID", "[ID]..."),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			var all []adminapi.FlowRecord
			for _, id := range args {
				r, err := api.Flow(ctx, id)
				if err != nil {
					return explainUnknown(err, "flow record", "flows list -o wide", id)
				}
				all = append(all, r)
			}
			var value any = all
			if len(all) == 1 {
				value = all[0]
			}
			return out.Write(cmd.OutOrStdout(), value, func(w io.Writer) error { return writeFlows(w, all, out) })
		}),
	}
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

// flowRecords lays records out. They are listed and followed by commands of their own.
func flowRecords() resource[adminapi.FlowRecord] {
	return resource[adminapi.FlowRecord]{
		singular: "flow", plural: "flows", silent: true,
		one: (*adminclient.Client).Flow, id: func(r adminapi.FlowRecord) string { return r.ID },
		table: flowTable,
		wide:  []string{"ID", "CONNECTOR", "NETWORK", "ADDRESS", "DECISION", "GRANT", "OPENED"},
		cells: func(r adminapi.FlowRecord) []string {
			return []string{r.ID, r.ConnectorID, r.NetworkID, orDefault(r.Address, "-"), r.Decision, orDefault(r.GrantID, "-"), absolute(r.OpenedAt)}
		},
	}
}

func flowTable(all []adminapi.FlowRecord, _ time.Time) cli.Table {
	t := cli.Table{Header: []string{"ENDED", "TUNNELER", "TARGET", "RESOURCE", "CODE", "LASTED", "UP", "DOWN"}}
	for _, r := range all {
		t.Rows = append(t.Rows, []string{
			absolute(r.EndedAt), r.TunnelerID, r.Target, orDefault(r.ResourceID, "-"), times(r.Code, r.Count),
			r.EndedAt.Sub(r.OpenedAt).Round(time.Millisecond).String(), strconv.FormatUint(r.BytesUp, 10), strconv.FormatUint(r.BytesDown, 10),
		})
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
