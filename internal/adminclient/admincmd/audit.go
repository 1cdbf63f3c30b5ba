package admincmd

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func auditCommand() *cobra.Command {
	return group("audit", "Read and verify the audit log", func(c *connection) []*cobra.Command {
		return []*cobra.Command{auditList(c), auditExport(c), auditRenewals(c)}
	})
}

func auditList(c *connection) *cobra.Command {
	var out cli.Output
	var f adminclient.AuditFilter
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List audit events, newest first",
		Example: `  grpccontroller audit list
  grpccontroller audit list --action 'ca.*' --since 24h -o json
  grpccontroller audit list --outcome denied --limit 1000`,
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			events, err := api.AuditEvents(ctx, f, limit)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), events, func(w io.Writer) error { return auditTable(events).Write(w) })
		}),
	}
	registerFilter(cmd.Flags(), &f)
	cmd.Flags().IntVar(&limit, "limit", 50, "at most this `number` of events")
	out.Register(cmd.Flags())
	return cmd
}

func auditExport(c *connection) *cobra.Command {
	var f adminclient.AuditFilter
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write audit events to standard output as JSON lines, oldest first",
		Example: `  grpccontroller audit export > audit.jsonl
  grpccontroller audit export --since 2026-01-01T00:00:00Z | jq 'select(.outcome == "denied")'`,
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			return api.ExportAudit(ctx, f, cmd.OutOrStdout())
		}),
	}
	registerFilter(cmd.Flags(), &f)
	return cmd
}

func registerFilter(fs *pflag.FlagSet, f *adminclient.AuditFilter) {
	const star = " (a * at the end matches any text)"
	fs.StringVar(&f.Actor, "actor", "", "only events of this `actor`"+star)
	fs.StringVar(&f.Action, "action", "", "only this `action`"+star)
	fs.StringVar(&f.Target, "target", "", "only events on this `target`"+star)
	fs.StringVar(&f.Outcome, "outcome", "", "only `success` or denied")
	fs.StringVar(&f.Level, "level", "", "only this `level` or a higher one: info, notice, warning, alert")
	fs.StringVar(&f.Text, "query", "", "`text` to look for in all fields")
	fs.Var(&when{at: &f.Since}, "since", "not before this `time` (RFC 3339), or so long ago (24h)")
	fs.Var(&when{at: &f.Until}, "until", "before this `time` (RFC 3339), or so long ago (1h)")
}

// when is a flag with a time, or a duration before now.
type when struct{ at *time.Time }

// String is part of pflag.Value.
func (w *when) String() string {
	if w.at == nil || w.at.IsZero() {
		return ""
	}
	return w.at.Format(time.RFC3339)
}

// Set is part of pflag.Value.
func (w *when) Set(s string) error {
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		*w.at = time.Now().Add(-d)
		return nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return fmt.Errorf("must be a time such as 2026-01-02T15:04:05Z or a duration such as 24h")
	}
	*w.at = t
	return nil
}

// Type is part of pflag.Value.
func (w *when) Type() string { return "time" }

func auditTable(events []adminapi.AuditEvent) cli.Table {
	t := cli.Table{Header: []string{"INDEX", "TIME", "ACTOR", "ACTION", "TARGET", "OUTCOME", "REASON"}}
	for _, e := range events {
		index := "-"
		if e.Index != nil {
			index = strconv.FormatInt(*e.Index, 10)
		}
		t.Rows = append(t.Rows, []string{
			index, absolute(e.Time), orDefault(e.Actor, "-"), e.Action, e.Target, e.Outcome, reasonOf(e),
		})
	}
	return t
}

// reasonOf says behind the reason how many equal events this one stands for.
func reasonOf(e adminapi.AuditEvent) string {
	if e.Count < 2 {
		return e.Reason
	}
	return e.Reason + " (" + strconv.FormatUint(e.Count, 10) + " times)"
}
