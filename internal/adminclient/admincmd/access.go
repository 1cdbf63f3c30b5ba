package admincmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func resources() resource[adminapi.Resource] {
	return resource[adminapi.Resource]{
		singular: "resource", plural: "resources", labels: true,
		list: (*adminclient.Client).Resources, one: (*adminclient.Client).Resource, id: func(r adminapi.Resource) string { return r.ID },
		matches: func(r adminapi.Resource, o adminclient.ListOptions) bool { return hasLabels(r.Labels, o.Labels) },
		table:   resourceTable,
		wide:    []string{"NAME", "LABELS", "CREATED AT", "REVISION"},
		cells: func(r adminapi.Resource) []string {
			return []string{r.Name, labelText(r.Labels), absolute(r.CreatedAt), strconv.FormatInt(r.Revision, 10)}
		},
	}
}

func resourceTable(all []adminapi.Resource, _ time.Time) cli.Table {
	t := cli.Table{Header: []string{"ID", "HOSTS", "PORTS", "ALIAS", "NETWORK"}}
	for _, r := range all {
		t.Rows = append(t.Rows, []string{r.ID, strings.Join(r.Hosts, ","), strings.Join(r.Ports, ","), orDefault(r.Alias, "-"), r.NetworkID})
	}
	return t
}

func grants() resource[adminapi.Grant] {
	return resource[adminapi.Grant]{
		singular: "grant", plural: "grants",
		list: all((*adminclient.Client).Grants), one: (*adminclient.Client).Grant, id: func(g adminapi.Grant) string { return g.ID },
		table: grantTable,
		wide:  []string{"CREATED AT", "REVISION"},
		cells: func(g adminapi.Grant) []string {
			return []string{absolute(g.CreatedAt), strconv.FormatInt(g.Revision, 10)}
		},
	}
}

func grantTable(all []adminapi.Grant, _ time.Time) cli.Table {
	t := cli.Table{Header: []string{"ID", "SUBJECT", "OBJECT", "UNTIL", "SCHEDULE"}}
	for _, g := range all {
		schedule := "-"
		if len(g.Windows) > 0 {
			schedule = strings.Join(g.Windows, "; ") + " " + g.TimeZone
		}
		t.Rows = append(t.Rows, []string{g.ID, g.Subject, g.Object, absolute(g.Until), schedule})
	}
	return t
}

func resourcesCommand() *cobra.Command {
	return group("resources", "List, create, change and delete resources, which grants let tunnelers reach", func(c *connection) []*cobra.Command {
		return []*cobra.Command{
			listCommand(c, resources(), "List resources"), getOneCommand(c, resources()), resourceCreate(c), resourceSet(c),
			deleteCommand(c, resources(), "While grants name it, that is refused: delete them first.", (*adminclient.Client).DeleteResource),
		}
	})
}

func grantsCommand() *cobra.Command {
	return group("grants", "List, create, change and delete grants, which let tunnelers reach resources", func(c *connection) []*cobra.Command {
		return []*cobra.Command{
			listCommand(c, grants(), "List grants"), getOneCommand(c, grants()), grantCreate(c), grantSet(c),
			deleteCommand(c, grants(), "What it alone allows ends.", (*adminclient.Client).DeleteGrant),
		}
	})
}

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

// resourceFlags are those of create and set.
type resourceFlags struct {
	name, alias     string
	hosts, ports    []string
	labels, unlabel []string
	revision        int64
}

func (f *resourceFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.name, "name", "", "its `name` for people; the id if it has none")
	fs.StringSliceVar(&f.hosts, "host", nil, "its `hosts`: names, *.NAME for all below one, addresses, prefixes")
	fs.StringSliceVar(&f.ports, "port", nil, "its TCP `ports`, or ranges such as 8000-8100")
	fs.StringVar(&f.alias, "alias", "", "another `name` for its only host")
	fs.StringSliceVarP(&f.labels, "label", "l", nil, "set these `labels`, such as env=prod,tier=web")
}

func labelsOf(texts []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range texts {
		l, err := access.ParseLabel(text)
		if err != nil {
			return nil, err
		}
		out[l.Key] = l.Value
	}
	return out, nil
}

func resourceCreate(c *connection) *cobra.Command {
	var f resourceFlags
	var network string
	cmd := &cobra.Command{
		Use: "create ID", Short: "Create a resource",
		Long: `Create a resource. Nobody reaches it before a grant of it.

Of several resources that cover a target the most specific ones decide alone: a name before
*.NAME, a longer NAME or prefix before a shorter one. So a resource also guards what it covers.`,
		Example: "  grpccontroller resources create db --host db.corp --port 5432 --label env=prod\n" +
			"  grpccontroller resources create dev --host '*.dev.corp',10.8.0.0/16 --port 22,8000-8100 --network berlin",
		Args: cli.Arguments("ID"),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			labels, err := labelsOf(f.labels)
			if err != nil {
				return err
			}
			r, err := api.CreateResource(ctx, adminapi.ResourceRequest{
				ID: args[0], NetworkID: network, Name: f.name, Hosts: f.hosts, Ports: f.ports, Alias: f.alias, Labels: labels,
			})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "resource %s created; `grants create` lets tunnelers reach it\n", quote(r.ID))
			return err
		}),
	}
	f.register(cmd)
	cmd.Flags().StringVar(&network, "network", "", "the `id` of its network; \"default\" if it is not given")
	cli.Check(cmd, "network", idForm)
	_ = cmd.MarkFlagRequired("host")
	_ = cmd.MarkFlagRequired("port")
	return cmd
}

func resourceSet(c *connection) *cobra.Command {
	var f resourceFlags
	cmd := &cobra.Command{
		Use: "set ID", Short: "Change a resource",
		Long: `Change a resource. What is not named stays as it is; --host and --port replace those that
it has.

With --revision, which "get -o json" shows, a change that somebody else made meanwhile
is not overwritten.`,
		Example: "  grpccontroller resources set db --host db2.corp --unlabel tier",
		Args:    cli.Arguments("ID"), ValidArgsFunction: c.complete(resources().known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			in, err := f.change(cmd)
			if err != nil {
				return err
			}
			if _, err := api.ChangeResource(ctx, args[0], in); err != nil {
				return explainUnknown(err, "resource", "resources list", args[0])
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "resource %s changed\n", quote(args[0]))
			return err
		}),
	}
	f.register(cmd)
	cmd.Flags().StringSliceVar(&f.unlabel, "unlabel", nil, "remove the labels with these `keys`")
	cmd.Flags().Int64Var(&f.revision, "revision", 0, "fail if somebody has changed it since this `revision`")
	return cmd
}

// change is the request of the flags that were given.
func (f *resourceFlags) change(cmd *cobra.Command) (in adminapi.ResourceChange, err error) {
	given := cmd.Flags().Changed
	if given("name") {
		in.Name = &f.name
	}
	if given("alias") {
		in.Alias = &f.alias
	}
	if given("revision") && f.revision < 1 { // 0 would take any
		return in, errors.New("--revision must be that of \"get -o json\", 1 or more")
	}
	in.Hosts, in.Ports, in.Revision = f.hosts, f.ports, f.revision
	labels, err := labelsOf(f.labels)
	if err != nil {
		return in, err
	}
	for key, value := range labels {
		if in.Labels == nil {
			in.Labels = map[string]*string{}
		}
		in.Labels[key] = &value
	}
	for _, key := range f.unlabel {
		if in.Labels == nil {
			in.Labels = map[string]*string{}
		}
		in.Labels[key] = nil
	}
	if in.Name == nil && in.Alias == nil && in.Hosts == nil && in.Ports == nil && in.Labels == nil {
		return in, errors.New("nothing is to be changed: give --name, --host, --port, --alias, --label or --unlabel")
	}
	return in, nil
}

// grantFlags are those of create and set.
type grantFlags struct {
	from, to, until, zone string
	windows               []string
	revision              int64
}

func (f *grantFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.from, "from", "", "which `subject` it is for: tunneler/ID, or label/KEY=VALUE for all tunnelers with that label")
	fs.StringVar(&f.to, "to", "", "which `object` it allows: resource/ID, or label/KEY=VALUE for all resources with that label")
	fs.StringVar(&f.until, "until", "", "when it ends: a `time` such as 2026-12-31T18:00:00Z, or in so long, such as 8h")
	fs.StringVar(&f.zone, "time-zone", "", "the time `zone` of the windows, such as Europe/Berlin")
	fs.StringArrayVar(&f.windows, "window", nil, "days and hours at which it holds: a `window` such as \"mon-fri 08:00-18:00\"; may be given again")
	cli.Check(cmd, "until", func(text string) error {
		_, err := parseUntil(text, time.Time{})
		return err
	})
}

// parseUntil reads a time, or a duration from now on; empty is never.
func parseUntil(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, errors.New(quote(text) + " is no end: write 2026-12-31T18:00:00Z or 8h")
	}
	return at, nil
}

func grantCreate(c *connection) *cobra.Command {
	var f grantFlags
	cmd := &cobra.Command{
		Use: "create [ID]", Short: "Let tunnelers reach resources",
		Long: "Let tunnelers reach resources. Without an id the controller makes one. What no grant allows is refused.",
		Example: "  grpccontroller grants create --from tunneler/laptop --to resource/db --until 8h\n" +
			"  grpccontroller grants create dev --from label/team=dev --to label/env=dev --time-zone Europe/Berlin --window \"mon-fri 08:00-18:00\"",
		Args: cli.Arguments("[ID]"),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			until, err := parseUntil(f.until, time.Now())
			if err != nil {
				return err
			}
			in := adminapi.GrantRequest{Subject: f.from, Object: f.to, Until: until, TimeZone: f.zone, Windows: f.windows}
			if len(args) > 0 {
				in.ID = args[0]
			}
			g, err := api.CreateGrant(ctx, in)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "grant %s created\n", quote(g.ID))
			return err
		}),
	}
	f.register(cmd)
	_ = cmd.MarkFlagRequired("from")
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

func grantSet(c *connection) *cobra.Command {
	var f grantFlags
	cmd := &cobra.Command{
		Use: "set ID", Short: "Change a grant",
		Long: `Change a grant. What is not named stays as it is; an empty --until is no end, and an empty
--time-zone no schedule.

With --revision, which "get -o json" shows, a change that somebody else made meanwhile
is not overwritten.`,
		Example: "  grpccontroller grants set dev --until 2026-12-31T18:00:00Z\n  grpccontroller grants set dev --time-zone \"\"",
		Args:    cli.Arguments("ID"), ValidArgsFunction: c.complete(grants().known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			in, err := f.change(cmd, time.Now())
			if err != nil {
				return err
			}
			if _, err := api.ChangeGrant(ctx, args[0], in); err != nil {
				return explainUnknown(err, "grant", "grants list", args[0])
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "grant %s changed\n", quote(args[0]))
			return err
		}),
	}
	f.register(cmd)
	cmd.Flags().Int64Var(&f.revision, "revision", 0, "fail if somebody has changed it since this `revision`")
	return cmd
}

// change is the request of the flags that were given.
func (f *grantFlags) change(cmd *cobra.Command, now time.Time) (adminclient.GrantEdit, error) {
	given, in := cmd.Flags().Changed, adminclient.GrantEdit{}
	if given("from") {
		in["subject"] = f.from
	}
	if given("to") {
		in["object"] = f.to
	}
	if given("until") {
		until, err := parseUntil(f.until, now)
		if err != nil {
			return nil, err
		}
		if in["until"] = nil; !until.IsZero() {
			in["until"] = until
		}
	}
	if given("window") {
		in["windows"] = f.windows
	}
	if given("time-zone") {
		if in["time_zone"] = f.zone; f.zone == "" {
			in["time_zone"], in["windows"] = nil, []string{}
		}
	}
	if len(in) == 0 {
		return nil, errors.New("nothing is to be changed: give --from, --to, --until, --time-zone or --window")
	}
	if given("revision") {
		if f.revision < 1 { // 0 would take any
			return nil, errors.New("--revision must be that of \"get -o json\", 1 or more")
		}
		in["revision"] = f.revision
	}
	return in, nil
}

// explainCommand answers who reaches what.
func explainCommand() *cobra.Command {
	c := &connection{}
	var in adminapi.ExplainRequest
	var out cli.Output
	cmd := &cobra.Command{
		Use: "explain --from TUNNELER --to HOST:PORT", Short: "Say whether a tunneler may reach a target, and why",
		Long: `Say whether a tunneler may reach a target, and why. The answer is of the code by which
connectors decide. With --address it is decided again for an address that the name leads to.

Exit codes: 0 the tunneler may, 1 it may not or the command failed, 2 wrong usage.`,
		Example: "  grpccontroller explain --from laptop-01 --to db.corp:5432\n  grpccontroller explain --from laptop-01 --to db.corp:5432 --address 10.1.0.7 -o json",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			e, err := api.Explain(ctx, in)
			if err != nil {
				return err
			}
			if err := out.Write(cmd.OutOrStdout(), e, func(w io.Writer) error { return writeTable(w, explanationTable(e)) }); err != nil {
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
	fs.StringVar(&in.TunnelerID, "from", "", "the `id` of the tunneler")
	fs.StringVar(&in.Target, "to", "", "the `target`: HOST:PORT")
	fs.StringVar(&in.NetworkID, "network", "", "only in the network with this `id`")
	fs.StringVar(&in.Address, "address", "", "an IP `address` that the name leads to")
	cli.Check(cmd, "from", idForm)
	cli.Check(cmd, "to", func(text string) error {
		_, err := access.ParseTarget(text)
		return err
	})
	_ = cmd.MarkFlagRequired("from")
	_ = cmd.MarkFlagRequired("to")
	out.Register(fs)
	return cmd
}

func explanationTable(e adminapi.Explanation) cli.Table {
	return cli.Table{
		Header: []string{"ALLOWED", "CODE", "NETWORK", "RESOURCE", "GRANT", "UNTIL", "ENROLLED"},
		Rows:   [][]string{{yesNo(e.Allowed), e.Code, orDefault(e.NetworkID, "-"), orDefault(e.ResourceID, "-"), orDefault(e.GrantID, "-"), absolute(e.Until), yesNo(e.TunnelerEnrolled)}},
	}
}
