package admincmd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func bootstrapCommand(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bootstrap",
		Short: "Show and replace the bootstrap CA",
		Long: `Show and replace the bootstrap CA. It signs the certificate of the enrollment
listener and one certificate for each host, and no workload identity.`,
		Example: `  grpccontroller ca bootstrap status
  grpccontroller ca bootstrap rotate`,
	}
	cmd.AddCommand(bootstrapStatus(c), bootstrapRotate(c), bootstrapAbort(c))
	return cmd
}

func bootstrapStatus(c *connection) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the bootstrap CA and its replacement",
		Example: `  grpccontroller ca bootstrap status
  grpccontroller ca bootstrap status -o json`,
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			ca, err := api.BootstrapCA(ctx)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), ca, func(w io.Writer) error { return writeBootstrap(w, ca, time.Now()) })
		}),
	}
	out.Register(cmd.Flags())
	return cmd
}

const bootstrapMeans = "Every host renews its certificate and its SPIRE agent is restarted once; no session ends. Once the new CA signs, the old one cannot be restored."

func bootstrapRotate(c *connection) *cobra.Command {
	var req adminapi.BootstrapRequest
	var out cli.Output
	var yes, detach bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Replace the bootstrap CA without disconnecting hosts",
		Long: `Replace the bootstrap CA: make a second one that the first one vouches for, wait
until every host that is here trusts it, sign with it, wait until every host has
renewed its certificate, drop the first one and erase its key, wait until no host
trusts it any more.

The command follows the replacement and shows the hosts that block it. Interrupting
it does not stop it: the controller continues, also after a restart. Hosts that are
away get in by themselves when they are back.`,
		Example: `  grpccontroller ca bootstrap rotate --dry-run
  grpccontroller ca bootstrap rotate --deadline 10m --yes`,
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			if req.DryRun {
				p, err := api.PreviewBootstrapCA(ctx, req)
				if err != nil {
					return err
				}
				return out.Write(cmd.OutOrStdout(), p, func(w io.Writer) error { return writeBootstrapPreview(w, p) })
			}
			if err := Confirm(ctx, cmd, yes, "Replace the bootstrap CA?", bootstrapMeans); err != nil {
				return err
			}
			r, err := api.ReplaceBootstrapCA(ctx, req)
			if err != nil {
				return err
			}
			if detach {
				return out.Write(cmd.OutOrStdout(), r, func(w io.Writer) error {
					_, err := fmt.Fprintf(w, "replacement %s started\n", r.ID)
					return err
				})
			}
			return followBootstrap(ctx, api, cmd, out, r)
		}),
	}
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "change nothing, show what would be done")
	cmd.Flags().StringVar(&req.Deadline, "deadline", "", "longest `duration` of each wait, at least 30s; then hosts that block are skipped by name and get in later (default: no limit)")
	cli.Check(cmd, "deadline", durationForm)
	cmd.Flags().BoolVar(&detach, "detach", false, "do not wait for the end")
	out.Register(cmd.Flags())
	RegisterYes(cmd, &yes)
	return cmd
}

// followBootstrap shows each change until the replacement has ended.
func followBootstrap(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, out cli.Output, r adminapi.BootstrapReplacement) error {
	var ca adminapi.BootstrapCA
	err := watch(ctx, cmd.ErrOrStderr(), "replacement", func() (line string, over bool, err error) {
		now, err := api.BootstrapCA(ctx)
		switch {
		case err != nil:
			return "", false, err
		case now.Replacement == nil || now.Replacement.ID != r.ID:
			return "", false, fmt.Errorf("%w: see ca bootstrap status", errAnother)
		}
		ca, r = now, *now.Replacement
		return fmt.Sprintf("%4.0f s  %s", time.Since(r.StartedAt).Seconds(), bootstrapLine(r)), r.Finished(), nil
	})
	if err != nil {
		return err
	}
	err = out.Write(cmd.OutOrStdout(), ca, func(w io.Writer) error { return writeBootstrap(w, ca, time.Now()) })
	if err == nil && r.Status != adminapi.RotationDone {
		return fmt.Errorf("the replacement was %s", r.Status)
	}
	if err == nil {
		_, err = fmt.Fprintln(cmd.ErrOrStderr(), "Now replace the copies of the old ca.crt; `grpccontroller bootstrap-ca` prints the new one on the controller's host.")
	}
	return err
}

func bootstrapAbort(c *connection) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use:     "abort",
		Short:   "Abort the replacement, as long as the new CA does not sign",
		Example: "  grpccontroller ca bootstrap abort",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			r, err := api.AbortBootstrapCA(ctx)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), r, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "replacement %s aborted in phase %s\n", r.ID, r.Phase)
				return err
			})
		}),
	}
	out.Register(cmd.Flags())
	return cmd
}

func writeBootstrapPreview(w io.Writer, p adminapi.BootstrapPreview) error {
	text := "This would replace the bootstrap CA:\n"
	for i, s := range p.Steps {
		text += fmt.Sprintf("  %d. %s\n", i+1, s)
	}
	text += gateText(&p.Gate, "hosts can follow now")
	if p.Offline > 0 {
		text += fmt.Sprintf(" (%d offline, not waited for)", p.Offline)
	}
	_, err := io.WriteString(w, text+"\nNothing was changed.\n")
	return err
}

func writeBootstrap(w io.Writer, ca adminapi.BootstrapCA, now time.Time) error {
	t := cli.Table{Header: []string{"BOOTSTRAP CA (SHA-256)", "SIGNS", "EXPIRES"}}
	for _, a := range ca.Anchors {
		t.Rows = append(t.Rows, []string{a.Fingerprint, yesNo(a.Signs), relative(a.NotAfter, now)})
	}
	if err := writeTable(w, t); err != nil {
		return err
	}
	r := ca.Replacement
	if r == nil {
		return nil
	}
	text := "\nReplacement " + r.ID + ": " + bootstrapLine(*r) + "\n"
	if r.Finished() {
		text = fmt.Sprintf("\nLast replacement %s: %s %s\n", r.ID, r.Status, relative(r.EndedAt, now))
	}
	if len(r.Skipped) > 0 {
		text += "Skipped, get in later by themselves: " + strings.Join(r.Skipped, ", ") + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

// bootstrapLine says in one line what it waits for.
func bootstrapLine(r adminapi.BootstrapReplacement) string {
	line := r.Phase
	if r.Gate != nil {
		line += ", " + gateText(r.Gate, "done")
	}
	if r.Offline > 0 {
		line += fmt.Sprintf(" (%d offline, not waited for)", r.Offline)
	}
	return line
}
