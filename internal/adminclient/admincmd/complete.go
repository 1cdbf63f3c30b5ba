package admincmd

import (
	"context"
	"time"

	"github.com/spf13/cobra"

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
