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

func caCommand() *cobra.Command {
	return group("ca", "Show and rotate the certificate authority of the trust domain", func(c *connection) []*cobra.Command {
		return []*cobra.Command{caStatus(c), caRotate(c), caResume(c), caAbort(c), bootstrapCommand(c)}
	})
}

func caStatus(c *connection) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the authorities, the current rotation and the outage budget",
		Example: `  grpccontroller ca status
  grpccontroller ca status -o json`,
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			ca, err := api.CA(ctx)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), ca, func(w io.Writer) error { return writeCA(w, ca, time.Now()) })
		}),
	}
	out.Register(cmd.Flags())
	return cmd
}

func caRotate(c *connection) *cobra.Command {
	var req adminapi.RotationRequest
	var out cli.Output
	var yes, detach bool
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Replace the certificate authority without disconnecting members",
		Long: `Replace the active authority: prepare a new one, wait until every online peer
trusts it, activate it, make SPIRE issue all SVIDs again, wait until no SVID depends
on the old one, revoke it, wait until no online peer trusts it any more.

The command follows the rotation and shows the members that block it. Interrupting it
does not stop the rotation: the controller continues, also after a restart. It exits
with 0 only when the old authority is gone from SPIRE and from the bundle of every
online peer, except those that it names as skipped.`,
		Example: `  grpccontroller ca rotate --dry-run
  grpccontroller ca rotate --deadline 10m --yes

  # The key was stolen: replace all authorities of this SPIRE server, each within 15 s,
  # without waiting for members that are not ready
  grpccontroller ca rotate --emergency --yes`,
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			if req.DryRun {
				p, err := api.PreviewRotation(ctx, req)
				if err != nil {
					return err
				}
				return out.Write(cmd.OutOrStdout(), p, func(w io.Writer) error { return writePreview(w, p) })
			}
			if err := confirmRotation(ctx, cmd, yes, req.Emergency); err != nil {
				return err
			}
			r, err := api.Rotate(ctx, req)
			if err != nil {
				return err
			}
			return c.follow(ctx, api, cmd, out, r, detach)
		}),
	}
	fs := cmd.Flags()
	fs.BoolVar(&req.DryRun, "dry-run", false, "change nothing, show what would be done")
	fs.StringVar(&req.Deadline, "deadline", "", "longest `duration` of each wait, at least 10s (default: no limit, 2m for the last wait)")
	fs.StringVar(&req.OnDeadline, "on-deadline", "", "`what` to do at the deadline: drop (continue without the members that block, the default) or abort")
	fs.StringVar(&req.Offline, "offline", "", "`what` to do about members that are OFFLINE: proceed (they recover when they are back, the default) or wait")
	fs.BoolVar(&req.Emergency, "emergency", false, "a CA key was stolen: replace all authorities, waiting at most 15 s for each")
	cli.Choices(cmd, "on-deadline", "drop", "abort")
	cli.Choices(cmd, "offline", "proceed", "wait")
	cli.Check(cmd, "deadline", durationForm)
	registerFollow(cmd, &out, &detach)
	RegisterYes(cmd, &yes)
	return cmd
}

// confirmRotation asks: nothing else stands between a slip and the whole trust domain.
func confirmRotation(ctx context.Context, cmd *cobra.Command, yes, emergency bool) error {
	if emergency {
		return Confirm(ctx, cmd, yes, "Revoke all authorities of this SPIRE server without waiting for members?", emergencyMeans)
	}
	return Confirm(ctx, cmd, yes, "Replace the certificate authority of the trust domain?", rotationMeans)
}

const rotationMeans = "Every SVID is issued again. Once the new authority is active, the old one cannot be restored. No member is disconnected."

const emergencyMeans = "Each authority is revoked at most 15 s after its taint; then the members that still trust one are shown, for at most 2 min. A member that has not replaced its SVID by then loses its connections,\nand is back when its host has fetched the new bundle or half the lifetime of its SVID has passed."

func caResume(c *connection) *cobra.Command {
	var out cli.Output
	var yes, detach bool
	cmd := &cobra.Command{
		Use:     "resume",
		Short:   "Continue a paused rotation and follow it",
		Example: "  grpccontroller ca resume --yes",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			if err := confirmRotation(ctx, cmd, yes, false); err != nil {
				return err
			}
			r, err := api.ResumeRotation(ctx)
			if err != nil {
				return err
			}
			return c.follow(ctx, api, cmd, out, r, detach)
		}),
	}
	registerFollow(cmd, &out, &detach)
	RegisterYes(cmd, &yes)
	return cmd
}

func caAbort(c *connection) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use:   "abort",
		Short: "Abort a rotation whose new authority is not active yet",
		Long: `Abort a rotation whose new authority is not active yet. An authority that was
prepared stays in the bundle; SPIRE or the next rotation uses it.

Afterwards it is too late: SPIRE cannot make an old authority active again.`,
		Example: "  grpccontroller ca abort",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			r, err := api.AbortRotation(ctx)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), r, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "rotation %s aborted in phase %s\n", r.ID, r.Phase)
				return err
			})
		}),
	}
	out.Register(cmd.Flags())
	return cmd
}

func writeCA(w io.Writer, ca adminapi.CA, now time.Time) error {
	t := cli.Table{Header: []string{"AUTHORITY", statusColumn, "TAINTED", "EXPIRES"}}
	for _, a := range ca.Authorities {
		if !a.Trusted { // SPIRE lists a revoked one as old until the next is prepared
			continue
		}
		t.Rows = append(t.Rows, []string{a.ID, a.Status, yesNo(a.Tainted), relative(a.ExpiresAt, now)})
	}
	if err := writeTable(w, t); err != nil {
		return err
	}
	text := "\n" + describeCA(ca, now) + "\nOutage budget: without the controller, sessions continue and are admitted for " + ca.OutageBudget.PolicyAge +
		" (policy_age).\nWithout SPIRE too, a session ends with the SVID of either end (half to whole SVID TTL, and 30 s):\n"
	for _, k := range ca.OutageBudget.Identity {
		text += fmt.Sprintf("  %-11s %s to %s\n", k.Kind, k.Least, k.Most)
	}
	_, err := io.WriteString(w, text)
	return err
}

func describeCA(ca adminapi.CA, now time.Time) string {
	switch r := ca.Rotation; {
	case ca.Upstream != "":
		return "SPIRE has an UpstreamAuthority (" + ca.Upstream + "): rotate it there.\n"
	case r != nil && !r.Finished():
		return "Rotation " + r.ID + ": " + progressLine(*r, now) + "\n"
	case ca.Automatic != nil:
		return fmt.Sprintf("SPIRE rotates by itself: %s is %s, %s\n", ca.Automatic.Authority, ca.Automatic.Phase, gateText(&ca.Automatic.Gate, "done"))
	case r != nil:
		return fmt.Sprintf("Last rotation %s: %s %s%s\n", r.ID, r.Status, relative(r.EndedAt, now), because(r.Reason))
	default:
		return "No rotation yet. SPIRE rotates by itself at half of an authority's life.\n"
	}
}

func writePreview(w io.Writer, p adminapi.RotationPreview) error {
	text := "This would replace " + strings.Join(p.Replaces, " and ")
	if p.Reuses != "" {
		text += " by " + p.Reuses + ", which SPIRE has prepared already"
	}
	text += ":\n"
	for i, s := range p.Steps {
		text += fmt.Sprintf("  %d. %s\n", i+1, s)
	}
	text += gateText(&p.Gate, "members are ready now") + "\nNothing was changed.\n"
	_, err := io.WriteString(w, text)
	return err
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}
