package admincmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func peopleCommand() *cobra.Command {
	return group("people", "List, invite, change and remove people who may sign in, and reset their sign-in", func(c *connection) []*cobra.Command {
		return []*cobra.Command{listCommand(c, people(), "List people who may sign in"), peopleInvite(c), peopleSet(c), peopleReset(c), peopleRemove(c)}
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
			return writeInvited(cmd, out, p)
		}),
	}
	fs := cmd.Flags()
	fs.StringVar(&in.Email, "email", "", "the e-mail `address` to sign in with")
	fs.StringVar(&in.Name, "name", "", "the person's `name`")
	fs.StringVar(&in.Role, "role", "", "`role`: auditor, operator, admin or owner")
	for _, must := range []string{"email", "name", "role"} {
		_ = cmd.MarkFlagRequired(must)
	}
	cli.Choices(cmd, "role", roles()...)
	out.Register(fs)
	return cmd
}

func roles() []string { return []string{"auditor", "operator", "admin", "owner"} }

// writeInvited prints the link with which somebody sets a password.
func writeInvited(cmd *cobra.Command, out cli.Output, p adminapi.InvitedPerson) error {
	return out.Write(cmd.OutOrStdout(), p, func(w io.Writer) error {
		if p.LinkWarning != "" {
			if _, err := fmt.Fprintln(cmd.ErrOrStderr(), "Warning: "+p.LinkWarning); err != nil {
				return err
			}
		}
		_, err := fmt.Fprintln(w, p.SetupURL)
		return err
	})
}

// personOf finds somebody by id, or by the e-mail address that people know one another by.
func personOf(ctx context.Context, api *adminclient.Client, who string) (p adminapi.Person, err error) {
	if !strings.Contains(who, "@") {
		p, err = api.Person(ctx, who)
		return p, explainUnknown(err, "person", "people list", who)
	}
	all, err := api.People(ctx)
	if err != nil {
		return p, err
	}
	var found []adminapi.Person
	var ids []string
	for _, one := range all {
		if strings.EqualFold(one.Email, who) {
			found, ids = append(found, one), append(ids, one.ID)
		}
	}
	switch len(found) {
	case 0:
		return p, cli.CodedError(exitNotFound, fmt.Errorf("nobody has the e-mail address %s: `grpccontroller people list` lists them", quote(who)))
	case 1:
		return found[0], nil
	}
	return p, cli.UsageError(fmt.Errorf("several people have the e-mail address %s, of a password and of the identity provider: name one by the id, which is one of %s", quote(who), strings.Join(ids, ", ")))
}

func nameOf(p adminapi.Person) string { return quote(p.Name) + " (" + cli.Printable(p.Email) + ")" }

// personChange is what the flags of "people set" say.
type personChange struct {
	name, role            string
	disable, enable, keep bool
}

func (f personChange) edit(cmd *cobra.Command) (e adminclient.PersonEdit, err error) {
	if cmd.Flags().Changed("name") {
		e.Name = &f.name
	}
	e.Role = f.role
	if f.disable || f.enable {
		e.Disabled = &f.disable
	}
	if e == (adminclient.PersonEdit{}) {
		return e, errors.New("nothing is to be changed: give --name, --role, --disable or --enable")
	}
	if f.keep {
		e.Keys = "keep"
	}
	return e, nil
}

func peopleSet(c *connection) *cobra.Command {
	var f personChange
	var out cli.Output
	var yes bool
	cmd := &cobra.Command{
		Use: "set ID|EMAIL", Short: "Change the name or role of a person, disable or enable them",
		Long: `Change the name or role of a person, disable or enable them. What is not named stays
as it is.

Another role, and disabling, end that person's sessions at once, and revoke those API keys
of theirs that may do more than they may now; --keep-keys leaves these. You cannot change
your own role, and the last owner with a password stays one.`,
		Example: `  grpccontroller people set ada@example.com --role admin --yes
  grpccontroller people set per_0123456789abcdef --disable --keep-keys --yes
  grpccontroller people set ada@example.com --enable --name "Ada King" -o json`,
		Args: cli.Arguments("ID|EMAIL"), ValidArgsFunction: c.complete(people().known),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			_, err := f.edit(cmd)
			return err
		},
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			e, err := f.edit(cmd)
			if err != nil {
				return err
			}
			p, err := personOf(ctx, api, args[0])
			if err != nil {
				return err
			}
			if e.Role != "" && e.Role != p.Role || f.disable && !p.Disabled {
				what := "Their sessions end, and API keys that they created and that may do more than they may now are revoked."
				if f.keep {
					what = "Their sessions end. The API keys that they created stay."
				}
				if err := Confirm(ctx, cmd, yes, "Change the access of "+nameOf(p)+"?", what); err != nil {
					return err
				}
			}
			changed, err := api.ChangePerson(ctx, p.ID, e)
			if err != nil {
				return explainUnknown(err, "person", "people list", p.ID)
			}
			return out.Write(cmd.OutOrStdout(), changed, func(io.Writer) error {
				_, err := fmt.Fprintf(cmd.ErrOrStderr(), "person %s changed\n", quote(changed.ID))
				return err
			})
		}),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.name, "name", "", "another `name`")
	fs.StringVar(&f.role, "role", "", "another `role`: auditor, operator, admin or owner")
	fs.BoolVar(&f.disable, "disable", false, "let them sign in no more")
	fs.BoolVar(&f.enable, "enable", false, "let them sign in again")
	fs.BoolVar(&f.keep, "keep-keys", false, "leave the API keys that they created")
	cmd.MarkFlagsMutuallyExclusive("disable", "enable")
	cli.Choices(cmd, "role", roles()...)
	RegisterYes(cmd, &yes)
	out.Register(fs)
	return cmd
}

func peopleReset(c *connection) *cobra.Command {
	var out cli.Output
	var yes bool
	const consequences = "Password, second factor and sessions end now. Whoever has the new link can sign in as this person."
	cmd := &cobra.Command{
		Use: "reset ID|EMAIL", Short: "Reset a person's password and second factor, and print a new setup link",
		Long: `Reset the sign-in of a person who has lost the password or the second factor, or who has
not used the setup link in time. It prints a new link, once; it works once, within 24
hours, and is for that person only. ` + consequences + `

The last owner who cannot sign in is helped by "grpccontroller admin reset-owner" on the
controller's own host.`,
		Example: `  grpccontroller people reset ada@example.com
  grpccontroller people reset per_0123456789abcdef --yes -o json | jq -r .setup_url`,
		Args: cli.Arguments("ID|EMAIL"), ValidArgsFunction: c.complete(people().known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			p, err := personOf(ctx, api, args[0])
			if err != nil {
				return err
			}
			if err := Confirm(ctx, cmd, yes, "Reset the sign-in of "+nameOf(p)+"?", consequences); err != nil {
				return err
			}
			invited, err := api.ResetPerson(ctx, p.ID)
			if err != nil {
				return explainUnknown(err, "person", "people list", p.ID)
			}
			return writeInvited(cmd, out, invited)
		}),
	}
	RegisterYes(cmd, &yes)
	out.Register(cmd.Flags())
	return cmd
}

func peopleRemove(c *connection) *cobra.Command {
	var yes, keep bool
	cmd := &cobra.Command{
		Use: "remove ID|EMAIL", Short: "Remove a person, and end their sessions and API keys",
		Example: "  grpccontroller people remove per_0123456789abcdef --yes\n  grpccontroller people remove ada@example.com --keep-keys",
		Args:    cli.Arguments("ID|EMAIL"), ValidArgsFunction: c.complete(people().known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			what := "Their sessions end, and the API keys that they created are revoked."
			if keep {
				what = "Their sessions end. The API keys that they created stay."
			}
			p, err := personOf(ctx, api, args[0])
			if err != nil {
				return err
			}
			if err := Confirm(ctx, cmd, yes, "Remove "+nameOf(p)+"?", what); err != nil {
				return err
			}
			if err := api.RemovePerson(ctx, p.ID, keep); err != nil {
				return explainUnknown(err, "person", "people list", p.ID)
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "person %s removed\n", quote(p.ID))
			return err
		}),
	}
	cmd.Flags().BoolVar(&keep, "keep-keys", false, "leave the API keys that they created")
	RegisterYes(cmd, &yes)
	return cmd
}
