package admincmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func networksCommand() *cobra.Command {
	cmd := group("networks", "List, create, change and delete networks, which group connectors", func(c *connection) []*cobra.Command {
		return []*cobra.Command{
			listCommand(c, networks(), "List networks"), getOneCommand(c, networks()), networkCreate(c), networkSet(c), networkRename(c), networkDeclare(c), networkDelete(c),
		}
	})
	cmd.Example = `  grpccontroller networks create berlin --name "Berlin office" --prefix 10.1.0.0/16
  grpccontroller connectors set gw-1 --network berlin
  grpccontroller networks list`
	return cmd
}

func networkSet(c *connection) *cobra.Command {
	var in adminapi.NetworkChange
	cmd := &cobra.Command{
		Use: "set ID", Short: "Change the name or the prefixes of a network",
		Long: `Change the name or the prefixes of a network. What is not named stays as it is; --prefix
replaces those that it has, and an empty --prefix leaves the private addresses.

With --revision, which "get -o json" shows, a change that somebody else made meanwhile
is not overwritten.`,
		Example: "  grpccontroller networks set berlin --name \"Berlin, 2nd floor\"\n  grpccontroller networks set berlin --prefix 10.1.0.0/16,2001:db8:1::/48",
		Args:    cli.Arguments("ID"), ValidArgsFunction: c.complete(networks().known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			given := cmd.Flags().Changed
			switch {
			case given("revision") && in.Revision < 1: // 0 would take any
				return cli.UsageError(errors.New("--revision must be that of \"get -o json\", 1 or more"))
			case given("name") && in.Name == "":
				return cli.UsageError(errors.New("--name is empty: a network has a name"))
			case !given("name") && !given("prefix"):
				return cli.UsageError(errors.New("nothing is to be changed: give --name or --prefix"))
			case given("prefix") && len(in.Prefixes) == 0:
				in.Prefixes = []string{}
			}
			if _, err := api.ChangeNetwork(ctx, args[0], in); err != nil {
				return explainUnknown(err, "network", "networks list", args[0])
			}
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), "network %s changed\n", quote(args[0]))
			return err
		}),
	}
	fs := cmd.Flags()
	fs.StringVar(&in.Name, "name", "", "another `name`")
	fs.StringSliceVar(&in.Prefixes, "prefix", nil, "where names of its resources may lead to: `prefixes` such as 10.1.0.0/16")
	fs.Int64Var(&in.Revision, "revision", 0, "fail if somebody has changed it since this `revision`")
	sets(cmd, map[string]string{"prefix": "prefixes"})
	return cmd
}

func networkCreate(c *connection) *cobra.Command {
	var in adminapi.NetworkRequest
	cmd := &cobra.Command{
		Use: "create ID", Short: "Create a network without connectors",
		Long:    "Create a network without connectors. Its id does not change any more; `connectors set ID --network` moves a connector there.",
		Example: "  grpccontroller networks create berlin --name \"Berlin office\"",
		Args:    cli.Arguments("ID"),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			in.ID = args[0]
			n, err := api.CreateNetwork(ctx, in)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "network %s created\n", quote(n.ID))
			return err
		}),
	}
	cmd.Flags().StringVar(&in.Name, "name", "", "its `name`; the id if it has none")
	cmd.Flags().StringSliceVar(&in.Prefixes, "prefix", nil, "where names of its resources may lead to: `prefixes` such as 10.1.0.0/16; the private addresses if none is given")
	sets(cmd, map[string]string{"prefix": "prefixes", "ID": "id"})
	return cmd
}

func networkDeclare(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "declare ID [PREFIX...]", Short: "Say where names of a network may lead to",
		Long: `Say where the names of a network's resources may lead to. Without prefixes it is the private
addresses (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7). What a name leads to beyond
that is refused, unless a resource that covers the address is granted too.`,
		Example: "  grpccontroller networks declare berlin 10.1.0.0/16 2001:db8:1::/48\n  grpccontroller networks declare berlin",
		Args:    cli.Arguments("ID", "[PREFIX]..."), ValidArgsFunction: c.complete(networks().known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			n, err := api.ChangeNetwork(ctx, args[0], adminapi.NetworkChange{Prefixes: args[1:]})
			if err != nil {
				return explainUnknown(err, "network", "networks list", args[0])
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "network %s declares %s\n", quote(n.ID), orDefault(strings.Join(n.Prefixes, ", "), "the private addresses"))
			return err
		}),
	}
	sets(cmd, map[string]string{"PREFIX": "prefixes"})
	return cmd
}

func networkRename(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rename ID NAME", Short: "Give a network another name; its id stays",
		Example: "  grpccontroller networks rename berlin \"Berlin, 2nd floor\"",
		Args:    cli.Arguments("ID", "NAME"), ValidArgsFunction: c.complete(networks().known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			n, err := api.ChangeNetwork(ctx, args[0], adminapi.NetworkChange{Name: args[1]})
			if err != nil {
				return explainUnknown(err, "network", "networks list", args[0])
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "network %s renamed\n", quote(n.ID))
			return err
		}),
	}
	sets(cmd, map[string]string{"NAME": "name"})
	return cmd
}

func networkDelete(c *connection) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete ID", Short: "Delete a network that has neither connectors nor resources",
		Long:    "Delete a network. While connectors or resources are in it, that is refused: move or revoke the ones, delete the others. The network \"default\" stays.",
		Example: "  grpccontroller networks delete berlin --yes",
		Args:    cli.Arguments("ID"), ValidArgsFunction: c.complete(networks().known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			if err := Confirm(ctx, cmd, yes, "Delete the network "+quote(args[0])+"?", "It has to be empty, and can be created again."); err != nil {
				return err
			}
			if err := api.DeleteNetwork(ctx, args[0]); err != nil {
				return explainUnknown(err, "network", "networks list", args[0])
			}
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), "network %s deleted\n", quote(args[0]))
			return err
		}),
	}
	RegisterYes(cmd, &yes)
	return cmd
}

func sessionsCommand() *cobra.Command {
	return group("sessions", "List and end sessions of people who are signed in", func(c *connection) []*cobra.Command {
		return []*cobra.Command{listCommand(c, sessions(), "List everybody's sessions, newest first"), revocation{
			kind: "session", argument: "ID", list: "sessions list",
			short:        "End anybody's session",
			example:      "  grpccontroller sessions revoke ses_0123456789abcdef --yes",
			consequences: "The browser or command line is signed out at once.",
			complete:     c.complete(sessions().known),
			find: func(ctx context.Context, api *adminclient.Client, id string) (string, error) {
				_, err := api.Session(ctx, id)
				return "", err
			},
			revoke: (*adminclient.Client).EndSession,
		}.command(c)}
	})
}
