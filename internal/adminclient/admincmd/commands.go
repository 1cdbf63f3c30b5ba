package admincmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
)

// Commands returns the commands for a program's root.
func Commands() []*cobra.Command {
	return []*cobra.Command{
		tokenCommand(), requestsCommand(), connectorsCommand(), tunnelersCommand(), hostsCommand(), networksCommand(), resourcesCommand(), grantsCommand(), policyTestsCommand(), applyCommand(), exportCommand(), explainCommand(), peopleCommand(), sessionsCommand(),
		caCommand(), auditCommand(), flowsCommand(), attentionCommand(), keyCommand(), getCommand(), revokeByLabelCommand(),
		loginCommand(), logoutCommand(), whoAmICommand(),
	}
}

// group is a command that only has others, which share one connection.
func group(use, short string, subs func(c *connection) []*cobra.Command) *cobra.Command {
	conn := &connection{}
	cmd := &cobra.Command{Use: use, Short: short}
	conn.register(cmd.PersistentFlags())
	cmd.AddCommand(subs(conn)...)
	return cmd
}

// run makes a RunE of f, which gets a client of the API that the flags name.
func (c *connection) run(f func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		if err := c.resolve(); err != nil {
			return err
		}
		api := adminclient.To(c.target)
		defer api.Close()
		return c.explain(cmd, f(cmd.Context(), api, cmd, args))
	}
}
