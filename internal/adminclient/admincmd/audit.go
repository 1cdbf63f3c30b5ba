package admincmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func auditCommand() *cobra.Command {
	return group("audit", "Read and verify the audit log", func(c *connection) []*cobra.Command {
		return []*cobra.Command{auditList(c), auditExport(c), auditRenewals(c), auditStatus(c)}
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
		PreRunE: func(*cobra.Command, []string) error { return checkLimit(limit) },
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			events, err := api.AuditEvents(ctx, f, limit)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), events, func(w io.Writer) error { return auditTable(events).Write(w) })
		}),
	}
	registerFilter(cmd, &f)
	cmd.Flags().IntVar(&limit, "limit", 50, "at most this `number` of events")
	out.Register(cmd.Flags())
	return cmd
}

func checkLimit(limit int) error {
	if limit < 1 {
		return fmt.Errorf("--limit must be 1 or more, is %d", limit)
	}
	return nil
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
	registerFilter(cmd, &f)
	return cmd
}

// errAudit ends "audit status" of a log that is not intact.
var errAudit = errors.New("the audit log is not intact: keep the database, and follow docs/audit.md")

func auditStatus(c *connection) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use: "status", Short: "Show whether the audit log is intact, as the controller sees it",
		Long: `Show the controller's own last check of the audit log, its newest signed checkpoint, and
the connectors that witness it. "audit verify" checks an exported log without trusting the
controller.

Exit codes: 0 intact, or not checked yet, 1 not intact or the check failed, 2 wrong usage.`,
		Example: "  grpccontroller audit status\n  grpccontroller audit status -o json | jq -r .checkpoint.note",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			v, err := api.AuditVerification(ctx)
			if err != nil {
				return err
			}
			if err := out.Write(cmd.OutOrStdout(), v, func(w io.Writer) error { return writeVerification(w, v, time.Now()) }); err != nil {
				return err
			}
			switch v.State {
			case "bad":
				return errAudit
			case "failed":
				return errors.New("the controller could not check the audit log: look at its log")
			}
			return nil
		}),
	}
	out.Register(cmd.Flags())
	return cmd
}

func writeVerification(w io.Writer, v adminapi.AuditVerification, now time.Time) error {
	lines := [][2]string{
		{"state", v.State},
		{"checked", relative(v.CheckedAt, now)},
		{"records", strconv.FormatInt(v.Records, 10)},
		{"archived", strconv.FormatInt(v.Archived, 10)},
		{"checkpoint", fmt.Sprintf("%d records, %s", v.Checkpoint.Size, relative(v.Checkpoint.Time, now))},
	}
	if p := v.Problem; p != nil {
		lines = append(lines, [2]string{"problem", fmt.Sprintf("record %d %s: %s", p.Index, p.Kind, p.Detail)})
	}
	for _, one := range v.Witnesses {
		lines = append(lines, [2]string{"witness", one.ConnectorID + " has " + strconv.FormatInt(one.Size, 10) + " records, " + relative(one.At, now) + refusalOf(one)})
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(w, "%-11s %s\n", l[0], cli.Printable(l[1])); err != nil {
			return err
		}
	}
	return nil
}

func refusalOf(w adminapi.AuditWitness) string {
	if w.Failure == "" {
		return ""
	}
	return ", and refuses the newest: " + w.Failure
}

func registerFilter(cmd *cobra.Command, f *adminclient.AuditFilter) {
	fs := cmd.Flags()
	const star = " (a * at the end matches any text)"
	fs.StringVar(&f.Actor, "actor", "", "only events of this `actor`"+star)
	fs.StringVar(&f.Action, "action", "", "only this `action`"+star)
	fs.StringVar(&f.Target, "target", "", "only events on this `target`"+star)
	fs.StringVar(&f.Outcome, "outcome", "", "only `success` or denied")
	fs.StringVar(&f.Level, "level", "", "only this `level` or a higher one: info, notice, warning, alert")
	fs.StringVar(&f.Text, "query", "", "`text` to look for in all fields")
	fs.Var(&when{at: &f.Since}, "since", "not before this `time` (RFC 3339), or so long ago (24h)")
	fs.Var(&when{at: &f.Until}, "until", "before this `time` (RFC 3339), or so long ago (1h)")
	cli.Choices(cmd, "outcome", "success", "denied")
	cli.Choices(cmd, "level", "info", "notice", "warning", "alert")
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
	return times(e.Reason, e.Count)
}
