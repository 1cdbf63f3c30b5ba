package app

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/listen"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/reach"
)

func resourcesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "resources",
		Short: "List what this tunneler may reach",
		Long: `Resources asks the tunneler that runs on this host what it may reach now, as the controller
sent it. The list is for your information: the connector decides about each connection.

UNTIL is when access ends unless the controller says more.`,
		Example: "  grpctunneler resources\n  grpctunneler resources --config ./tunneler.conf -o json\n  grpctunneler connect \"$(grpctunneler resources -o name | head -n 1)\"",
		Args:    cli.Arguments(),
	}
	var at socketFlag
	at.register(cmd)
	var out cli.Output
	out.RegisterThings(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		socket, err := at.find()
		if err != nil {
			return err
		}
		d, err := listed(cmd.Context(), socket)
		if err != nil {
			return err
		}
		return writeResources(cmd, out, d)
	}
	return cmd
}

// listed asks the tunneler of this host.
func listed(ctx context.Context, socket string) (reach.Document, error) {
	raw, err := listen.Resources(ctx, socket)
	if err != nil {
		return reach.Document{}, fmt.Errorf("resources: %w", explained(err))
	}
	return reach.ParseDocument(raw)
}

func writeResources(cmd *cobra.Command, out cli.Output, d reach.Document) error {
	note := ""
	switch {
	case !d.Known:
		note = "the controller has not sent yet what this tunneler may reach: see grpctunneler status"
	case len(d.Resources) == 0:
		note = "nothing is granted to this tunneler"
	case d.More > 0:
		note = fmt.Sprintf("%d more are granted that are not listed", d.More)
	}
	if note != "" { // beside the output, which a program may read
		if _, err := fmt.Fprintln(cmd.ErrOrStderr(), note); err != nil {
			return err
		}
	}
	return out.Write(cmd.OutOrStdout(), d.Resources, func(w io.Writer) error {
		if out.String() == cli.OutputName {
			for _, r := range d.Resources {
				if _, err := fmt.Fprintln(w, "resource/"+r.ID); err != nil {
					return err
				}
			}
			return nil
		}
		return resourceTable(d.Resources, out.String() == cli.OutputWide).Write(w)
	})
}

func resourceTable(all []reach.Listed, wide bool) cli.Table {
	t := cli.Table{Header: []string{"ID", "ALIAS", "HOSTS", "PORTS", "NETWORK", "UNTIL"}}
	if wide {
		t.Header = append(t.Header, "NAME")
	}
	for _, r := range all {
		alias, until := "-", "-"
		if r.Alias != "" {
			alias = r.Alias
		}
		if !r.Until.IsZero() {
			until = r.Until.Local().Format(time.RFC3339)
		}
		row := []string{r.ID, alias, strings.Join(r.Hosts, ","), strings.Join(r.Ports, ","), r.NetworkID, until}
		if wide {
			row = append(row, r.Name)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// targetOf is HOST:PORT, or where the resource leads to that this word names: its id, its alias
// or its name, with resource/ before it or not.
func targetOf(ctx context.Context, socket, word string) (flow.Target, error) {
	if to, err := parseTarget(word); err == nil || strings.Contains(word, ":") {
		return to, asUsage(err)
	}
	d, err := listed(ctx, socket)
	if err != nil {
		return flow.Target{}, err
	}
	r, err := d.Find(strings.TrimPrefix(word, "resource/"))
	if err != nil {
		return flow.Target{}, err
	}
	return r.Target()
}

func asUsage(err error) error {
	if err != nil {
		return cli.UsageError(err)
	}
	return nil
}

// completionTimeout is for a shell, where a person waits for the Tab key.
const completionTimeout = 2 * time.Second

// completeResources suggests what connect takes. Whatever goes wrong, it suggests nothing: a
// message would be printed into the line that is being typed.
func completeResources(at *socketFlag) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		socket, err := at.find()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		d, err := listed(ctx, socket)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var out []string
		for _, r := range d.Resources {
			to, err := r.Target()
			if err != nil {
				continue
			}
			note := cli.Printable(to.String())
			out = append(out, cobra.CompletionWithDesc(r.ID, note))
			if r.Alias != "" && r.Alias != r.ID {
				out = append(out, cobra.CompletionWithDesc(r.Alias, note))
			}
		}
		return slices.Compact(out), cobra.ShellCompDirectiveNoFileComp
	}
}
