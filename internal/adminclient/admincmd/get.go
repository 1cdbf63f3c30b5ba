package admincmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// getCommand shows things of any kind.
func getCommand() *cobra.Command {
	c := &connection{}
	var s selection
	cmd := &cobra.Command{
		Use:   "get KIND [ID]...",
		Short: "Show things of any kind, all or some by their id",
		Long: "Show things of any kind, all or some by their id: " + strings.Join(kindNames(), ", ") + `.

Those that were revoked are only listed with --status REVOKED; by their id they are
shown always. With --watch the command continues and prints each thing that changes or
leaves the list, as soon as the controller says so, until it is interrupted. With -o
name, json and yaml, what is gone is named on standard error.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nothing has one of the ids.`,
		Example: `  grpccontroller get connectors
  grpccontroller get connectors --label env=prod,tier=web -o wide
  grpccontroller get connector gw-1 -o yaml
  grpccontroller get tunnelers --status OFFLINE -o name
  grpccontroller get requests --watch -o json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cli.Arguments("KIND", "[ID]...")(cmd, args); err != nil {
				return err
			}
			if _, ok := kindOf(args[0]); !ok {
				return fmt.Errorf("there is no kind %s: choose from %s", quote(args[0]), strings.Join(kindNames(), ", "))
			}
			return nil
		},
		ValidArgsFunction: c.completeThings(kindNames),
		PreRunE: func(_ *cobra.Command, args []string) error {
			k, _ := kindOf(args[0])
			s.ids = args[1:]
			return s.check(k)
		},
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			k, _ := kindOf(args[0])
			if s.watch {
				return k.follow(ctx, api, cmd, s)
			}
			return k.show(ctx, api, cmd.OutOrStdout(), s)
		}),
	}
	c.register(cmd.Flags())
	s.register(cmd)
	_ = cmd.RegisterFlagCompletionFunc("status", func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		k, ok := kindOf(args[0])
		if !ok {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		statuses, _ := k.filters()
		return statuses, cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

func (s *selection) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&s.opts.Status, "status", "", "only those with this `status`, such as ONLINE or pending")
	fs.StringVarP(&s.opts.Labels, "label", "l", "", "only those with this `label`, such as env=prod; of several with commas between them, all")
	cli.Check(cmd, "label", labelsForm)
	fs.BoolVarP(&s.watch, "watch", "w", false, "continue, and print each one that changes")
	s.out.RegisterThings(fs)
}

// check holds the flags against the kind.
func (s *selection) check(k kind) error {
	statuses, labels := k.filters()
	_, plural := k.names()
	if s.opts.Status != "" {
		i := slices.IndexFunc(statuses, func(one string) bool { return strings.EqualFold(one, s.opts.Status) })
		switch {
		case len(statuses) == 0:
			return fmt.Errorf("--status is not for %s", plural)
		case i < 0:
			return fmt.Errorf("--status of %s must be %s", plural, strings.Join(statuses, " or "))
		}
		s.opts.Status = statuses[i]
	}
	if s.watch && !k.watched() {
		return fmt.Errorf("--watch is not for %s: run the command again to see changes", plural)
	}
	if s.opts.Labels != "" && !labels {
		return fmt.Errorf("--label is not for %s", plural)
	}
	if len(s.ids) > 0 && (s.opts.Status != "" || s.opts.Labels != "") {
		return errors.New("--status and --label are for lists: give ids, or these")
	}
	return nil
}

// completeThings suggests a kind, then ids of it.
func (c *connection) completeThings(names func() []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return names(), cobra.ShellCompDirectiveNoFileComp
		}
		k, ok := kindOf(args[0])
		if !ok {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return c.complete(func(ctx context.Context, api *adminclient.Client) ([]string, error) {
			found, err := k.known(ctx, api)
			return slices.DeleteFunc(found, func(one string) bool {
				id, _, _ := strings.Cut(one, "\t")
				return slices.Contains(args[1:], id)
			}), err
		})(cmd, nil, typed)
	}
}

// listCommand is "get" of one kind, in the group of the kind.
func listCommand(c *connection, k kind, short string) *cobra.Command {
	var s selection
	_, plural := k.names()
	statuses, labels := k.filters()
	group := map[string]string{"tokens": "token", "keys": "key"}[plural]
	cmd := &cobra.Command{
		Use: "list", Short: short,
		Example: fmt.Sprintf("  grpccontroller %s list\n  grpccontroller %[1]s list -o wide", orDefault(group, plural)),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			if s.watch {
				return k.follow(ctx, api, cmd, s)
			}
			return k.show(ctx, api, cmd.OutOrStdout(), s)
		}),
	}
	fs := cmd.Flags()
	if len(statuses) > 0 {
		fs.StringVar(&s.opts.Status, "status", "", "only those with this `status`: "+strings.Join(statuses, ", ")+"; those that were revoked are not listed otherwise")
		cli.Choices(cmd, "status", statuses...)
		cmd.Example += fmt.Sprintf("\n  grpccontroller %s list --status %s -o json", plural, statuses[1])
	}
	if labels {
		fs.StringVarP(&s.opts.Labels, "label", "l", "", "only those with this `label`, such as env=prod; of several with commas between them, all")
		cli.Check(cmd, "label", labelsForm)
		cmd.Example += fmt.Sprintf("\n  grpccontroller %s list --label env=prod --watch", plural)
	}
	if k.watched() {
		fs.BoolVarP(&s.watch, "watch", "w", false, "continue, and print each one that changes")
	}
	s.out.RegisterThings(fs)
	return cmd
}
