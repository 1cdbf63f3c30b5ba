package admincmd

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// getOneCommand shows things by their ids.
func getOneCommand[T any](c *connection, r resource[T]) *cobra.Command {
	var s selection
	cmd := &cobra.Command{
		Use: "get ID...", Short: "Show some by their id",
		Example: fmt.Sprintf("  grpccontroller %s get ID -o yaml", r.plural),
		Args:    cli.Arguments("ID", "[ID]..."), ValidArgsFunction: c.complete(r.known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			s.ids = args
			return r.show(ctx, api, cmd.OutOrStdout(), s)
		}),
	}
	s.out.RegisterThings(cmd.Flags())
	return cmd
}

// deleteCommand deletes a thing that can be created again.
func deleteCommand[T any](c *connection, r resource[T], consequence string, remove func(*adminclient.Client, context.Context, string) error) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete ID", Short: "Delete a " + r.singular,
		Long:    "Delete a " + r.singular + ". " + consequence,
		Example: fmt.Sprintf("  grpccontroller %s delete ID --yes", r.plural),
		Args:    cli.Arguments("ID"), ValidArgsFunction: c.complete(r.known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			if err := Confirm(ctx, cmd, yes, "Delete the "+r.singular+" "+quote(args[0])+"?", consequence); err != nil {
				return err
			}
			if err := remove(api, ctx, args[0]); err != nil {
				return explainUnknown(err, r.singular, r.plural+" list", args[0])
			}
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), "%s %s deleted\n", r.singular, quote(args[0]))
			return err
		}),
	}
	RegisterYes(cmd, &yes)
	return cmd
}

// explainCommand answers who reaches what.
func explainCommand() *cobra.Command {
	c := &connection{}
	var in adminapi.ExplainRequest
	var out cli.Output
	cmd := &cobra.Command{
		Use: "explain --from TUNNELER --to HOST:PORT", Short: "Say whether a tunneler may reach a target, and why",
		Long: `Say whether a tunneler may reach a target, and why. The answer is of the code by which
connectors decide. HOST may be an alias. With --address it is decided again for an address
that the name leads to.

Of several networks the answer is about one that allows it and has a connector that is
ONLINE, if there is one, and then about the one with the most specific resource; --network
asks about one.

Exit codes: 0 the tunneler may, 1 it may not or the command failed, 2 wrong usage.`,
		Example: "  grpccontroller explain --from laptop-01 --to db.corp:5432\n  grpccontroller explain --from laptop-01 --to db.corp:5432 --address 10.1.0.7 -o json",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			in.TunnelerID = strings.TrimPrefix(in.TunnelerID, tunnelerPrefix)
			e, err := api.Explain(ctx, in)
			if err != nil {
				return err
			}
			if err := out.Write(cmd.OutOrStdout(), e, func(w io.Writer) error { return writeExplanation(w, e, in) }); err != nil {
				return err
			}
			if !e.Allowed {
				return fmt.Errorf("%s may not reach %s: %s", quote(in.TunnelerID), quote(in.Target), e.Code)
			}
			return nil
		}),
	}
	c.register(cmd.Flags())
	fs := cmd.Flags()
	fs.StringVar(&in.TunnelerID, "from", "", "the `tunneler`: its id, also as tunneler/ID")
	fs.StringVar(&in.Target, "to", "", "the `target`: HOST:PORT")
	fs.StringVar(&in.NetworkID, "network", "", "only in the network with this `id`")
	fs.StringVar(&in.Address, "address", "", "an IP `address` that the name leads to")
	sets(cmd, map[string]string{"from": "tunneler_id", "to": "target", "network": "network_id"})
	c.completeFlag(cmd, "from", tunnelers().known)
	c.completeFlag(cmd, "to", knownTargets)
	c.completeFlag(cmd, "network", networks().known)
	cli.Check(cmd, "from", func(text string) error { return idForm(strings.TrimPrefix(text, tunnelerPrefix)) })
	cli.Check(cmd, "network", idForm)
	cli.Check(cmd, "to", func(text string) error {
		_, err := access.ParseTarget(text)
		return err
	})
	_ = cmd.MarkFlagRequired("from")
	_ = cmd.MarkFlagRequired("to")
	out.Register(fs)
	return cmd
}

// writeExplanation also says in words what the table has, and what else keeps a flow from
// being carried now.
func writeExplanation(w io.Writer, e adminapi.Explanation, in adminapi.ExplainRequest) error {
	if err := writeTable(w, explanationTable(e)); err != nil {
		return err
	}
	says := []string{e.Reason}
	if e.Target != "" {
		says = append(says, fmt.Sprintf("%s is an alias: %s was decided.", quote(in.Target), quote(e.Target)))
	}
	if e.NoConnector {
		says = append(says, fmt.Sprintf("No connector of the network %s is ONLINE: nobody can carry a flow there now.", quote(e.NetworkID)))
	}
	if !e.TunnelerEnrolled {
		says = append(says, fmt.Sprintf("The tunneler %s is not enrolled, so nobody uses this now.", quote(in.TunnelerID)))
	}
	_, err := fmt.Fprintln(w, strings.Join(says, "\n"))
	return err
}

func explanationTable(e adminapi.Explanation) cli.Table {
	return cli.Table{
		Header: []string{"ALLOWED", "CODE", "NETWORK", "RESOURCE", "GRANT", "UNTIL", "ENROLLED"},
		Rows:   [][]string{{yesNo(e.Allowed), e.Code, orDefault(e.NetworkID, "-"), orDefault(e.ResourceID, "-"), orDefault(e.GrantID, "-"), absolute(e.Until), yesNo(e.TunnelerEnrolled)}},
	}
}
