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

func attentionCommand() *cobra.Command {
	return group("attention", "List what an operator has to look into, and dismiss it", func(c *connection) []*cobra.Command {
		return []*cobra.Command{attentionList(c), attentionDismiss(c)}
	})
}

func attentionList(c *connection) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use: "list", Short: "List what an operator has to look into, the gravest first",
		Long: `List what an operator has to look into, the gravest first: what is wrong, and what to do.
What was dismissed is not listed until its state changes.`,
		Example: "  grpccontroller attention list\n  grpccontroller attention list -o json | jq '.attention[] | select(.severity == \"critical\")'",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			got, err := api.Attention(ctx)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), got, func(w io.Writer) error { return writeAttention(w, got, time.Now()) })
		}),
	}
	out.Register(cmd.Flags())
	return cmd
}

// writeAttention prints sentences, which are too long for a table.
func writeAttention(w io.Writer, got adminapi.AttentionList, now time.Time) error {
	if got.Total == 0 {
		_, err := fmt.Fprintln(w, "Nothing needs attention.")
		return err
	}
	paint := cli.NewPaint(w)
	var b strings.Builder
	for _, it := range got.Attention {
		severity := paint.Warn(it.Severity)
		if it.Severity == "critical" {
			severity = paint.Bad(it.Severity)
		}
		fmt.Fprintf(&b, "%s  %s  %s  %s\n  %s\n  %s\n", severity, cli.Printable(orDefault(it.Subject, it.Kind)), relative(it.Since, now), paint.Dim(cli.Printable(it.ID)), cli.Printable(it.Found), cli.Printable(it.Do))
	}
	if more := got.Total - len(got.Attention); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func attentionDismiss(c *connection) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use: "dismiss ID", Short: "Take an item off the list until its state changes",
		Long:    "Take an item off the list until its state changes; it then has another id. It changes nothing but the list, and the audit log records it.",
		Example: "  grpccontroller attention dismiss 0123456789abcdef",
		Args:    cli.Arguments("ID"),
		ValidArgsFunction: c.complete(func(ctx context.Context, api *adminclient.Client) ([]string, error) {
			all, err := api.Attention(ctx)
			return described(all.Attention, err, func(it adminapi.Attention) (string, string, bool) { return it.ID, it.Found, true })
		}),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			it, err := api.DismissAttention(ctx, args[0])
			if err != nil {
				return explainUnknown(err, "item", "attention list", args[0])
			}
			return out.Write(cmd.OutOrStdout(), it, func(io.Writer) error {
				_, err := fmt.Fprintf(cmd.ErrOrStderr(), "item %s dismissed\n", quote(args[0]))
				return err
			})
		}),
	}
	out.Register(cmd.Flags())
	return cmd
}
