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

// edit is what the flags of a set command say.
type edit struct {
	name, notes, network string
	labels, unlabel      []string
	revision             int64
}

// setCommand changes what operators say of a thing.
func setCommand[T any](c *connection, r resource[T], change func(context.Context, *adminclient.Client, string, adminapi.ConnectorChange) error, network bool) *cobra.Command {
	var e edit
	cmd := &cobra.Command{
		Use: "set ID", Short: "Change the name, labels or notes of a " + r.singular,
		Long: "Change what operators say of a " + r.singular + `. What is not named stays as it is.

With --revision, which "get -o json" shows, a change that somebody else made meanwhile
is not overwritten.`,
		Example: fmt.Sprintf("  grpccontroller %s set ID --name \"Berlin office\" --label env=prod,tier=web\n  grpccontroller %[1]s set ID --unlabel tier --notes \"\"", r.plural),
		Args:    cli.Arguments("ID"), ValidArgsFunction: c.complete(r.known),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			_, err := e.change(cmd)
			return err
		},
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			in, err := e.change(cmd)
			if err != nil {
				return err
			}
			if err := change(ctx, api, args[0], in); err != nil {
				return explainUnknown(err, r.singular, r.plural+" list", args[0])
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%s %s changed\n", r.singular, quote(args[0]))
			return err
		}),
	}
	fs := cmd.Flags()
	fs.StringVar(&e.name, "name", "", "another `name`; empty for none")
	fs.StringVar(&e.notes, "notes", "", "other `notes`; empty for none")
	fs.StringSliceVarP(&e.labels, "label", "l", nil, "set these `labels`, such as env=prod,tier=web")
	fs.StringSliceVar(&e.unlabel, "unlabel", nil, "take the labels with these `keys` away")
	fs.Int64Var(&e.revision, "revision", 0, "fail if somebody has changed it since this `revision`")
	sets(cmd, map[string]string{"label": "labels"})
	if network {
		fs.StringVar(&e.network, "network", "", "move it to the network with this `id`")
		cli.Check(cmd, "network", idForm)
		cmd.Short = "Change the name, labels, notes or network of a " + r.singular
		cmd.Example += fmt.Sprintf("\n  grpccontroller %s set ID --network berlin", r.plural)
		c.completeFlag(cmd, "network", networks().known)
		sets(cmd, map[string]string{"network": "network_id"})
	}
	return cmd
}

// change is the request of the flags that were given.
func (e *edit) change(cmd *cobra.Command) (in adminapi.ConnectorChange, err error) {
	given := cmd.Flags().Changed
	if given("name") {
		in.Name = &e.name
	}
	if given("notes") {
		in.Notes = &e.notes
	}
	if given("revision") && e.revision < 1 { // 0 would take any
		return in, errors.New("--revision must be that of \"get -o json\", 1 or more")
	}
	in.NetworkID, in.Revision = e.network, e.revision
	in.Labels = map[string]*string{}
	for _, text := range e.labels {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return in, fmt.Errorf("--label %s: write key=value, such as env=prod", quote(text))
		}
		in.Labels[key] = &value
	}
	for _, key := range e.unlabel {
		if _, both := in.Labels[key]; both {
			return in, fmt.Errorf("the label %s is set and taken away at once", quote(key))
		}
		in.Labels[key] = nil
	}
	if len(in.Labels) == 0 {
		in.Labels = nil
	}
	if given("network") && e.network == "" {
		return in, errors.New("--network is empty: each connector is in a network; \"default\" is one")
	}
	if in.Name == nil && in.Notes == nil && in.Labels == nil && in.NetworkID == "" {
		return in, errors.New("nothing is to be changed: give --name, --notes, --label or --unlabel")
	}
	return in, nil
}

func changeConnector(ctx context.Context, api *adminclient.Client, id string, in adminapi.ConnectorChange) error {
	_, err := api.ChangeConnector(ctx, id, in)
	return err
}

func changeTunneler(ctx context.Context, api *adminclient.Client, id string, in adminapi.ConnectorChange) error {
	_, err := api.ChangeTunneler(ctx, id, adminapi.Change{Name: in.Name, Labels: in.Labels, Notes: in.Notes, Revision: in.Revision})
	return err
}

func changeHost(ctx context.Context, api *adminclient.Client, id string, in adminapi.ConnectorChange) error {
	_, err := api.ChangeHost(ctx, id, adminapi.Change{Name: in.Name, Labels: in.Labels, Notes: in.Notes, Revision: in.Revision})
	return err
}

// revokeByLabelCommand ends the access of all members with a label.
func revokeByLabelCommand() *cobra.Command {
	c := &connection{}
	var in adminapi.BulkRevocation
	var out cli.Output
	var yes bool
	const consequences = "Their streams, sessions and flows are cut, and their registration entries deleted.\n" +
		"This cannot be undone: each host must enroll again with a new token."
	cmd := &cobra.Command{
		Use:   "revoke --label KEY=VALUE",
		Short: "End the access of all connectors and tunnelers with a label",
		Long: `End the access of all connectors and tunnelers with a label. The command first shows
whom that would be; --dry-run ends there. All are revoked together, or none: if others
have the label by then, or another host has taken the place of one of them, nothing is
changed.

--dry-run also shows a selection, which stands for exactly these members. With --selection
the command revokes what an earlier --dry-run has shown, or nobody.

` + consequences,
		Example: "  grpccontroller revoke --label env=test --dry-run\n" +
			"  grpccontroller revoke --label env=test,site=berlin --kind tunneler --yes\n" +
			"  grpccontroller revoke --label env=test --dry-run -o json | jq -r .selection\n" +
			"  grpccontroller revoke --label env=test --selection 9f86d081…15b0f00a08 --yes",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			look := in
			look.DryRun, look.Selection = true, ""
			seen, err := api.RevokeLabelled(ctx, look)
			if err != nil {
				return err
			}
			if seen.Total == 0 {
				if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "no %s has the label %s; nothing was changed\n", orDefault(in.Kind, "connector or tunneler"), quote(in.Label)); err != nil {
					return err
				}
			}
			if in.Selection == "" {
				in.Selection = seen.Selection
			}
			if in.DryRun || seen.Total == 0 && in.Selection == seen.Selection {
				return writeBulk(cmd, out, seen)
			}
			if in.Selection != seen.Selection {
				return errOthers
			}
			if err := bulkTable(seen).Write(cmd.ErrOrStderr()); err != nil {
				return err
			}
			if err := Confirm(ctx, cmd, yes, fmt.Sprintf("Revoke these %d?", seen.Total), consequences); err != nil {
				return err
			}
			in.Confirm = adminapi.ConfirmRevoke
			done, err := api.RevokeLabelled(ctx, in)
			if err != nil {
				return err
			}
			return writeBulk(cmd, out, done)
		}),
	}
	c.register(cmd.Flags())
	fs := cmd.Flags()
	fs.StringVarP(&in.Label, "label", "l", "", "the `label`, such as env=test; of several with commas between them, all")
	fs.StringVar(&in.Kind, "kind", "", "only this `kind`: connector or tunneler")
	fs.BoolVar(&in.DryRun, "dry-run", false, "only show whom it would revoke, and their selection")
	fs.StringVar(&in.Selection, "selection", "", "revoke exactly those whom an earlier --dry-run has shown with this `selection`, or nobody")
	_ = cmd.MarkFlagRequired("label")
	cli.Check(cmd, "label", labelsForm)
	cli.Choices(cmd, "kind", "connector", "tunneler")
	RegisterYes(cmd, &yes)
	out.Register(fs)
	return cmd
}

// errOthers is what the controller would say, too.
var errOthers = errors.New("others have the label now than --dry-run has shown with this --selection: nobody was revoked; look at them again with --dry-run")

// writeBulk also says, in the table of a dry run, how to revoke exactly those.
func writeBulk(cmd *cobra.Command, out cli.Output, b adminapi.BulkRevoked) error {
	return out.Write(cmd.OutOrStdout(), b, func(w io.Writer) error {
		if err := bulkTable(b).Write(w); err != nil || !b.DryRun || b.Total == 0 {
			return err
		}
		_, err := fmt.Fprintf(cmd.ErrOrStderr(), "selection: %s\n", b.Selection)
		return err
	})
}

func bulkTable(b adminapi.BulkRevoked) cli.Table {
	t := cli.Table{Header: []string{"KIND", "ID", "NAME", "HOST", "RESULT"}}
	for _, m := range b.Members {
		t.Rows = append(t.Rows, []string{m.Kind, m.ID, orDefault(m.Name, "-"), m.HostID, m.Result})
	}
	return t
}
