package admincmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

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

func grantsCommand() *cobra.Command {
	cmd := group("grants", "List, create, change and delete grants, which let tunnelers reach resources", func(c *connection) []*cobra.Command {
		return []*cobra.Command{
			listCommand(c, grants(), "List grants"), getOneCommand(c, grants()), grantCreate(c), grantSet(c),
			deleteCommand(c, grants(), "What it alone allows ends.", (*adminclient.Client).DeleteGrant),
		}
	})
	cmd.Example = `  # Let one tunneler reach one resource, for a working day
  grpccontroller grants create --from tunneler/laptop-01 --to resource/db --until 8h

  # Let all tunnelers with a label reach all resources with another
  grpccontroller grants create dev --from label/team=dev --to label/env=dev

  # What a tunneler may reach, and why
  grpccontroller explain --from laptop-01 --to db.corp:5432`
	return cmd
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
		_, err := parseUntil(text, time.Now())
		return err
	})
	sets(cmd, map[string]string{"from": "subject", "to": "object", "window": "windows", "ID": "id"})
}

// completes suggests whom a grant may name.
func (f *grantFlags) completes(cmd *cobra.Command, c *connection) {
	c.completeFlag(cmd, "from", knownSubjects)
	c.completeFlag(cmd, "to", knownObjects)
}

// parseUntil reads a time, or a duration from now on; empty is never.
func parseUntil(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d), nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil && now.Before(day.Add(36*time.Hour)) { // it has not ended everywhere
		return day, errors.New(quote(text) + " has no time of day: " + endForms)
	} else if err == nil {
		return day, errEnded(text)
	}
	if d, err := time.ParseDuration(text); err == nil && d < 0 {
		return now, errEnded(text)
	}
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return at, errors.New(quote(text) + " is no end: " + endForms)
	case at.Before(now):
		return at, errEnded(text)
	}
	return at, nil
}

// endForms are what parseUntil takes.
const endForms = "write a time with its zone, such as 2026-12-31T18:00:00Z or 2026-12-31T18:00:00+01:00, or in how long, such as 8h"

func errEnded(text string) error {
	return errors.New(quote(text) + " has passed: a grant that has ended allows nothing")
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
			if _, err = fmt.Fprintf(cmd.ErrOrStderr(), "grant %s created\n", quote(g.ID)); err != nil {
				return err
			}
			return noteUnknownTunneler(ctx, api, cmd, g.Subject)
		}),
	}
	f.register(cmd)
	f.completes(cmd, c)
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
				return cli.UsageError(err)
			}
			if _, err := api.ChangeGrant(ctx, args[0], in); err != nil {
				return explainUnknown(err, "grant", "grants list", args[0])
			}
			if _, err = fmt.Fprintf(cmd.ErrOrStderr(), "grant %s changed\n", quote(args[0])); err != nil {
				return err
			}
			return noteUnknownTunneler(ctx, api, cmd, f.from)
		}),
	}
	f.register(cmd)
	f.completes(cmd, c)
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

// noteUnknownTunneler says that nobody is what a subject names. That is no fault: a grant may be
// there before its tunneler.
func noteUnknownTunneler(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, subject string) error {
	id, ok := strings.CutPrefix(subject, tunnelerPrefix)
	if !ok {
		return nil
	}
	return noteUnknown(ctx, api, cmd, tunnelers(), id, "is enrolled yet")
}

// noteUnknown says that nothing has an id, and which are near: "no tunneler "x" is enrolled yet".
func noteUnknown[T any](ctx context.Context, api *adminclient.Client, cmd *cobra.Command, r resource[T], id, is string) error {
	if _, err := r.one(api, ctx, id); !isNotFound(err) {
		return nil // it is there, or that cannot be known: what was asked for is done
	}
	text := "note: no " + r.singular + " " + quote(id) + " " + is
	if all, err := r.list(api, ctx, adminclient.ListOptions{}); err == nil {
		ids := make([]string, 0, len(all))
		for _, it := range all {
			ids = append(ids, r.id(it))
		}
		if near := identity.Near(id, ids); len(near) > 0 {
			text += ": did you mean " + strings.Join(near, " or ") + "?"
		}
	}
	_, err := fmt.Fprintln(cmd.ErrOrStderr(), cli.Printable(text))
	return err
}
