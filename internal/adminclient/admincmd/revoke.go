package admincmd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// revocation is a command that ends one thing for good, by its id.
type revocation struct {
	kind         string // as messages call it: "connector"
	argument     string // of the usage line
	short, long  string
	example      string
	consequences string // what is said before the question
	list         string // the command that shows every id
	complete     cobra.CompletionFunc

	// find says why there is nothing left to revoke, or "". Errors: errUnknown or that
	// of the API.
	find   func(ctx context.Context, api *adminclient.Client, id string) (over string, err error)
	revoke func(api *adminclient.Client, ctx context.Context, id string) error
}

// errUnknown is for an id that a list does not have.
var errUnknown = errors.New("unknown id")

func (r revocation) command(c *connection) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "revoke " + r.argument, Short: r.short, Long: r.long, Example: r.example,
		Args: cli.Arguments(r.argument), ValidArgsFunction: r.complete,
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			id := args[0]
			over, err := r.find(ctx, api, id)
			if err != nil && !isForbidden(err) { // a key may revoke without the permission to read
				return r.explain(err, id)
			}
			if over != "" {
				_, err := fmt.Fprintf(cmd.ErrOrStderr(), "%s %s %s; nothing was changed\n", r.kind, quote(id), over)
				return err
			}
			if err := Confirm(ctx, cmd, yes, "Revoke "+r.kind+" "+quote(id)+"?", r.consequences); err != nil {
				return err
			}
			if err := r.revoke(api, ctx, id); err != nil {
				return r.explain(err, id)
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "%s %s revoked\n", r.kind, quote(id))
			return err
		}),
	}
	RegisterYes(cmd, &yes)
	return cmd
}

func (r revocation) explain(err error, id string) error {
	return explainUnknown(err, r.kind, r.list, id)
}

// explainUnknown says which id is not known, and where the known ones are, with the exit
// code of that. An id that may be a secret is not repeated.
func explainUnknown(err error, kind, list, id string) error {
	refused, answered := errors.AsType[*adminclient.Error](err)
	if !errors.Is(err, errUnknown) && (!answered || refused.Status != http.StatusNotFound) {
		return err
	}
	for _, prefix := range []string{"ztc_", "ztt_", "zta_"} {
		if strings.HasPrefix(id, prefix) {
			err = fmt.Errorf("this is the secret and not the id of %s: `grpccontroller %s` lists the ids", withArticle(kind), list)
			return cli.CodedError(exitNotFound, err)
		}
	}
	return cli.CodedError(exitNotFound, fmt.Errorf("no %s has the id %s: `grpccontroller %s` lists them", kind, quote(id), list))
}

func withArticle(kind string) string {
	if strings.ContainsAny(kind[:1], "AEIOaeio") {
		return "an " + kind
	}
	return "a " + kind
}

func isForbidden(err error) bool {
	refused, answered := errors.AsType[*adminclient.Error](err)
	return answered && refused.Status == http.StatusForbidden
}

// already says what happened before and when.
func already(what string, at time.Time) string {
	return fmt.Sprintf("%s already, %s (%s)", what, relative(at, time.Now()), at.UTC().Format(time.RFC3339))
}
