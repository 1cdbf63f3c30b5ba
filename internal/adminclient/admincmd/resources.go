package admincmd

import (
	"context"
	"errors"
	"fmt"
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
		wide:    []string{"NAME", "LABELS", "PROXY PROTOCOL", "CREATED AT", "REVISION"},
		cells: func(r adminapi.Resource) []string {
			return []string{r.Name, labelText(r.Labels), orDefault(r.ProxyProtocol, "-"), absolute(r.CreatedAt), strconv.FormatInt(r.Revision, 10)}
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

func resourcesCommand() *cobra.Command {
	cmd := group("resources", "List, create, change and delete resources, which grants let tunnelers reach", func(c *connection) []*cobra.Command {
		return []*cobra.Command{
			listCommand(c, resources(), "List resources"), getOneCommand(c, resources()), resourceCreate(c), resourceSet(c),
			deleteCommand(c, resources(), "While grants name it, that is refused: delete them first.", (*adminclient.Client).DeleteResource),
		}
	})
	cmd.Example = `  # A database, and who may reach it
  grpccontroller resources create db --host db.corp --port 5432
  grpccontroller grants create --from tunneler/laptop-01 --to resource/db

  # All hosts below a name, in another network
  grpccontroller resources create dev --host '*.dev.corp' --port 22,8000-8100 --network berlin

  # Those with a label
  grpccontroller resources list --label env=prod -o wide`
	return cmd
}

// resourceFlags are those of create and set.
type resourceFlags struct {
	name, alias     string
	proxy           string
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
	fs.StringVar(&f.proxy, "proxy-protocol", noProxy, "the `version` of the PROXY protocol with which connections to it begin: v2 or none")
	fs.StringSliceVarP(&f.labels, "label", "l", nil, "set these `labels`, such as env=prod,tier=web")
	sets(cmd, map[string]string{"host": "hosts", "port": "ports", "label": "labels", "ID": "id"})
}

// noProxy is how a person writes that connections begin with nothing.
const noProxy = "none"

// proxyProtocol is as the API writes it.
func (f *resourceFlags) proxyProtocol() string {
	if f.proxy == noProxy {
		return ""
	}
	return f.proxy
}

func labelsOf(texts []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range texts {
		l, err := access.ParseLabel(text)
		if err != nil {
			return nil, fmt.Errorf("--label: %w", err)
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
				return cli.UsageError(err)
			}
			r, err := api.CreateResource(ctx, adminapi.ResourceRequest{
				ID: args[0], NetworkID: network, Name: f.name, Hosts: f.hosts, Ports: f.ports, Alias: f.alias, Labels: labels, ProxyProtocol: f.proxyProtocol(),
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
	sets(cmd, map[string]string{"network": "network_id"})
	c.completeFlag(cmd, "network", networks().known)
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
				return cli.UsageError(err)
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
	if given("proxy-protocol") {
		proxy := f.proxyProtocol()
		in.ProxyProtocol = &proxy
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
	if in.Name == nil && in.Alias == nil && in.ProxyProtocol == nil && in.Hosts == nil && in.Ports == nil && in.Labels == nil {
		return in, errors.New("nothing is to be changed: give --name, --host, --port, --alias, --proxy-protocol, --label or --unlabel")
	}
	return in, nil
}
