package admincmd

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func networksCommand() *cobra.Command {
	return group("networks", "List, create, rename and delete networks, which group connectors", func(c *connection) []*cobra.Command {
		return []*cobra.Command{listCommand(c, networks(), "List networks"), networkCreate(c), networkRename(c), networkDelete(c)}
	})
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
	return cmd
}

func networkRename(c *connection) *cobra.Command {
	return &cobra.Command{
		Use: "rename ID NAME", Short: "Give a network another name; its id stays",
		Example: "  grpccontroller networks rename berlin \"Berlin, 2nd floor\"",
		Args:    cli.Arguments("ID", "NAME"), ValidArgsFunction: c.complete(networks().known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			n, err := api.RenameNetwork(ctx, args[0], adminapi.NetworkChange{Name: args[1]})
			if err != nil {
				return explainUnknown(err, "network", "networks list", args[0])
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "network %s renamed\n", quote(n.ID))
			return err
		}),
	}
}

func networkDelete(c *connection) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "delete ID", Short: "Delete a network that has no connectors",
		Long:    "Delete a network. While connectors are in it, that is refused: move or revoke them first. The network \"default\" stays.",
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

func peopleCommand() *cobra.Command {
	return group("people", "List, invite and remove people who may sign in", func(c *connection) []*cobra.Command {
		return []*cobra.Command{listCommand(c, people(), "List people who may sign in"), peopleInvite(c), peopleRemove(c)}
	})
}

func peopleInvite(c *connection) *cobra.Command {
	var in adminapi.PersonRequest
	var out cli.Output
	cmd := &cobra.Command{
		Use: "invite --email ADDRESS --name NAME --role ROLE", Short: "Invite somebody, and print the link with which they set a password",
		Long:    "Invite somebody. The link is printed once; it works once, within 24 hours, and is for that person only.",
		Example: "  grpccontroller people invite --email ada@example.com --name \"Ada Lovelace\" --role operator",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			p, err := api.InvitePerson(ctx, in)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), p, func(w io.Writer) error {
				if p.LinkWarning != "" {
					if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "Warning: "+p.LinkWarning); err != nil {
						return err
					}
				}
				_, err := fmt.Fprintln(w, p.SetupURL)
				return err
			})
		}),
	}
	fs := cmd.Flags()
	fs.StringVar(&in.Email, "email", "", "the e-mail `address` to sign in with")
	fs.StringVar(&in.Name, "name", "", "the person's `name`")
	fs.StringVar(&in.Role, "role", "", "`role`: auditor, operator, admin or owner")
	for _, must := range []string{"email", "name", "role"} {
		_ = cmd.MarkFlagRequired(must)
	}
	cli.Choices(cmd, "role", "auditor", "operator", "admin", "owner")
	out.Register(fs)
	return cmd
}

func peopleRemove(c *connection) *cobra.Command {
	var yes, keep bool
	cmd := &cobra.Command{
		Use: "remove ID", Short: "Remove a person, and end their sessions and API keys",
		Example: "  grpccontroller people remove per_0123456789abcdef --yes",
		Args:    cli.Arguments("ID"), ValidArgsFunction: c.complete(people().known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			what := "Their sessions end, and the API keys that they created are revoked."
			if keep {
				what = "Their sessions end. The API keys that they created stay."
			}
			if err := Confirm(ctx, cmd, yes, "Remove the person "+quote(args[0])+"?", what); err != nil {
				return err
			}
			if err := api.RemovePerson(ctx, args[0], keep); err != nil {
				return explainUnknown(err, "person", "people list", args[0])
			}
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), "person %s removed\n", quote(args[0]))
			return err
		}),
	}
	cmd.Flags().BoolVar(&keep, "keep-keys", false, "leave the API keys that they created")
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
