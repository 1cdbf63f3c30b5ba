package admincmd

import (
	"context"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// completionTimeout is for a shell, where a person waits for the Tab key.
const completionTimeout = 2 * time.Second

// complete suggests the first argument from a list of the API. Whatever goes wrong, it
// suggests nothing: a message would be printed into the line that is being typed.
func (c *connection) complete(list func(ctx context.Context, api *adminclient.Client) ([]string, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 || c.resolve() != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		api := adminclient.To(c.target)
		defer api.Close()
		found, err := list(ctx, api)
		if err != nil {
			found = nil
		}
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag suggests the values of a flag from a list of the API.
func (c *connection) completeFlag(cmd *cobra.Command, flag string, list func(context.Context, *adminclient.Client) ([]string, error)) {
	_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return c.complete(list)(cmd, nil, typed) // arguments may be there already
	})
}

// Beginnings of subjects and objects.
const (
	tunnelerPrefix = "tunneler/"
	resourcePrefix = "resource/"
	labelPrefix    = "label/"
)

// references are the ids of things and their labels, as grants name them.
func references[T any](prefix string, all []T, of func(T) (id string, labels map[string]string)) []string {
	var out []string
	labels := map[string]bool{}
	for _, it := range all {
		id, has := of(it)
		out = append(out, prefix+id)
		for key, value := range has {
			labels[labelPrefix+key+"="+value] = true
		}
	}
	return append(out, slices.Sorted(maps.Keys(labels))...)
}

// knownSubjects are the tunnelers and their labels, as grants name them.
func knownSubjects(ctx context.Context, api *adminclient.Client) ([]string, error) {
	all, err := api.Tunnelers(ctx, adminclient.ListOptions{})
	return references(tunnelerPrefix, all, func(t adminapi.Tunneler) (string, map[string]string) { return t.ID, t.Labels }), err
}

// knownObjects are the resources and their labels, as grants name them.
func knownObjects(ctx context.Context, api *adminclient.Client) ([]string, error) {
	all, err := api.Resources(ctx, adminclient.ListOptions{})
	return references(resourcePrefix, all, func(r adminapi.Resource) (string, map[string]string) { return r.ID, r.Labels }), err
}

// knownTargets are the hosts of resources that are one name or address, with their ports.
func knownTargets(ctx context.Context, api *adminclient.Client) ([]string, error) {
	all, err := api.Resources(ctx, adminclient.ListOptions{})
	var out []string
	for _, r := range all {
		for _, host := range append(slices.Clone(r.Hosts), r.Alias) {
			for _, port := range r.Ports {
				if host == "" || strings.ContainsAny(host, "*/") || strings.Contains(port, "-") {
					continue // it is one of many
				}
				out = append(out, cobra.CompletionWithDesc(net.JoinHostPort(host, port), cli.Printable(r.ID)))
			}
		}
	}
	return out, err
}

// described are the ids of those that can be acted on, each with what distinguishes it from the
// others.
func described[T any](all []T, err error, of func(T) (id, note string, usable bool)) ([]string, error) {
	var out []string
	for _, it := range all {
		if id, note, usable := of(it); usable {
			out = append(out, cobra.CompletionWithDesc(id, cli.Printable(note)))
		}
	}
	return out, err
}
