package admincmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func requestsCommand() *cobra.Command {
	return group("requests", "Approve or deny hosts that ask to be enrolled without a token", func(c *connection) []*cobra.Command {
		return []*cobra.Command{requestsList(c), requestsApprove(c), requestsDeny(c), requestsAsk(c)}
	})
}

func requestsList(c *connection) *cobra.Command {
	var out cli.Output
	var all bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List hosts that wait for a decision",
		Example: "  grpccontroller requests list\n  grpccontroller requests list --all -o json",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			state := "pending"
			if all {
				state = ""
			}
			got, err := api.Requests(ctx, state)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), got, func(w io.Writer) error {
				if len(got) == 0 {
					_, err := fmt.Fprintln(w, "No host waits for approval. `grpccontroller requests command --kind connector` prints the command to run on a host.")
					return err
				}
				return writeTable(w, requestTable(got, time.Now()))
			})
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "show decided and expired ones too")
	out.Register(cmd.Flags())
	return cmd
}

func requestTable(all []adminapi.Request, now time.Time) cli.Table {
	t := cli.Table{Header: []string{"CODE", statusColumn, "KIND", "ID", "HOSTNAME", "FROM", "ASKED", "FINGERPRINT", "NOTE"}}
	for _, r := range all {
		t.Rows = append(t.Rows, []string{
			r.Code, r.Status, r.Kind, r.ID, reported(r.Hostname), r.Source, relative(r.CreatedAt, now), r.FingerprintStart + "-????", requestNote(r),
		})
	}
	return t
}

func requestNote(r adminapi.Request) string {
	switch {
	case r.Mismatches > 0:
		return fmt.Sprintf("%d wrong fingerprints", r.Mismatches)
	case r.LiveID:
		return "a host with this id is enrolled: needs --replace, which revokes that host"
	case r.SecondRole:
		return "second role of an enrolled host"
	case r.DecidedBy != "":
		return "by " + r.DecidedBy
	default:
		return "-"
	}
}

const approveLong = `Approve a host that asks to be enrolled without a token.

The host shows its code and its fingerprint. Compare the fingerprint with the one
here, and enter its last group, which only the host's own screen shows: read it
there, or let somebody you know read it to you. Never take it from a message that asks you
to approve. If any group differs, deny the request: the connection was intercepted.`

func requestsApprove(c *connection) *cobra.Command {
	var a adminapi.Approval
	var out cli.Output
	cmd := &cobra.Command{
		Use:   "approve CODE",
		Short: "Approve a host by the fingerprint on its screen",
		Long:  approveLong,
		Example: `  grpccontroller requests approve BCDF-GHJK
  grpccontroller requests approve BCDF-GHJK --fingerprint SS37-VSM8-WDMY-JJ01-AVNH-KC9R`,
		Args: cli.Arguments("CODE"), ValidArgsFunction: pendingRequests(c),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			r, err := findRequest(ctx, api, args[0])
			if err != nil {
				return err
			}
			if a.Fingerprint == "" {
				if a.Fingerprint, err = askFingerprint(ctx, cmd, r); err != nil {
					return err
				}
			}
			a.ID = r.ID
			got, err := api.ApproveRequest(ctx, r.EnrollmentRequestID, a)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), got, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "approved: %s %s is enrolled as soon as it fetches the decision\n", got.Kind, got.ID)
				return err
			})
		}),
	}
	cmd.Flags().StringVar(&a.Fingerprint, "fingerprint", "", "the `fingerprint` as the host's screen shows it, all of it or its last group (asked for on a terminal)")
	cmd.Flags().BoolVar(&a.Replace, "replace", false, "revoke the host that has this id now")
	out.Register(cmd.Flags())
	return cmd
}

func pendingRequests(c *connection) cobra.CompletionFunc {
	return c.complete(func(ctx context.Context, api *adminclient.Client) ([]string, error) {
		all, err := api.Requests(ctx, "pending")
		return described(all, err, func(r adminapi.Request) (string, string, bool) { return r.Code, r.Kind + " " + r.ID, true })
	})
}

// findRequest takes the code on the host's screen, or a request_id. Without a pending
// request it says what became of the newest that had this code.
func findRequest(ctx context.Context, api *adminclient.Client, code string) (adminapi.Request, error) {
	const half = 4 // of a code, with a dash between
	want := strings.ToUpper(strings.ReplaceAll(code, "-", ""))
	text := code
	if len(want) == 2*half {
		text = want[:half] + "-" + want[half:]
	}
	var all []adminapi.Request
	if len(text) <= len("req_")+32 {
		var err error
		if all, err = api.FindRequests(ctx, text); err != nil {
			return adminapi.Request{}, err
		}
	}
	var decided *adminapi.Request
	for i, r := range all {
		switch {
		case r.EnrollmentRequestID != code && strings.ReplaceAll(r.Code, "-", "") != want:
		case r.Status == "pending":
			return r, nil
		case decided == nil:
			decided = &all[i]
		}
	}
	if decided == nil {
		return adminapi.Request{}, cli.CodedError(exitNotFound, fmt.Errorf("no request has the code %s: `grpccontroller requests list` lists those that wait; if the host shows this code, it asked another controller", quote(code)))
	}
	return adminapi.Request{}, errDecided{*decided}
}

// errDecided is for a request that waits no longer.
type errDecided struct{ adminapi.Request }

// Error implements error.
func (e errDecided) Error() string {
	by, at := "", e.DecidedAt
	if e.DecidedBy != "" {
		by = " by " + e.DecidedBy
	}
	if at.IsZero() {
		at = e.ExpiresAt // of one that nobody decided
	}
	what := "was " + e.Status
	if e.Status == "expired" {
		what = "has expired"
	}
	text := fmt.Sprintf("the request %s of %s %s %s%s", e.Code, e.Kind, e.ID, already(what, at), by)
	if e.Status != "approved" && e.Status != "enrolled" {
		text += "; the host can ask again"
	}
	return text
}

// askFingerprint shows what to compare and reads the group that is not shown.
func askFingerprint(ctx context.Context, cmd *cobra.Command, r adminapi.Request) (string, error) {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !isatty.IsTerminal(in.Fd()) {
		return "", cli.UsageError(errors.New("standard input is not a terminal: give --fingerprint"))
	}
	t := cli.Table{Header: []string{"KIND", "ID", "HOSTNAME", "FROM", "ASKED", "PROGRAM"}, Rows: [][]string{{
		r.Kind, r.ID, reported(r.Hostname), r.Source, relative(r.CreatedAt, time.Now()), reported(r.BinaryPath),
	}}}
	w := cmd.ErrOrStderr()
	if err := t.Write(w); err != nil {
		return "", err
	}
	_, err := fmt.Fprintf(w, "\nfingerprint  %s-????\n\nCompare it with the host's screen. Last group, as that screen shows it: ", r.FingerprintStart)
	if err != nil {
		return "", err
	}
	last, err := readLine(ctx, in) // or all of it
	if err == nil && last == "" {
		err = errDeclined
	}
	return last, err
}

func requestsDeny(c *connection) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "deny CODE",
		Short:   "Deny the request of a host; the host can ask again",
		Example: "  grpccontroller requests deny BCDF-GHJK",
		Args:    cli.Arguments("CODE"), ValidArgsFunction: pendingRequests(c),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			r, err := findRequest(ctx, api, args[0])
			if d, ok := errors.AsType[errDecided](err); ok && d.Status == "denied" {
				_, err := fmt.Fprintln(cmd.ErrOrStderr(), d.Error())
				return err
			}
			if err != nil {
				return err
			}
			const consequences = "Its command ends with an error. The host can ask again."
			if err := Confirm(ctx, cmd, yes, "Deny "+r.Kind+" "+quote(r.ID)+" from "+r.Source+"?", consequences); err != nil {
				return err
			}
			if _, err := api.DenyRequest(ctx, r.EnrollmentRequestID); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "request %s denied\n", quote(r.Code))
			return err
		}),
	}
	RegisterYes(cmd, &yes)
	return cmd
}

func requestsAsk(c *connection) *cobra.Command {
	var kind string
	cmd := &cobra.Command{
		Use:   "command --kind connector|tunneler",
		Short: "Print the command that asks for approval, to run on a host",
		Long: `Print the command that asks for enrollment without a token. Paste it on the host
as it is. It contains the controller's CA; the id is the host's own name.`,
		Example: "  grpccontroller requests command --kind connector",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			got, err := api.Enrollment(ctx)
			if err != nil {
				return err
			}
			if got.Address == "" {
				return errors.New("the controller does not know at which address hosts reach it: set public_address")
			}
			for _, r := range got.RequestCommands {
				if r.Kind == kind {
					_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%s.\n\n", r.Requires)
					_, err := fmt.Fprintln(cmd.OutOrStdout(), r.Command)
					return err
				}
			}
			return fmt.Errorf("the controller has no such command for a %s", quote(kind))
		}),
	}
	cmd.Flags().StringVar(&kind, "kind", "", "`kind`: connector or tunneler")
	_ = cmd.MarkFlagRequired("kind")
	cli.Choices(cmd, "kind", "connector", "tunneler")
	return cmd
}
