package admincmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

// exitDrift is the exit code of "apply --plan" if something would change. 2 is a wrong command line.
const exitDrift = 4

// maxPolicyFile is how much of a policy file is sent.
const maxPolicyFile = 4 << 20

// applyFlags are those of apply.
type applyFlags struct {
	file, prune string
	plan, yes   bool
	out         cli.Output
}

func applyCommand() *cobra.Command {
	c := &connection{}
	var f applyFlags
	cmd := &cobra.Command{
		Use: "apply -f FILE", Short: "Make what a policy file says",
		Long: `Make what a policy file says: networks with their prefixes, resources, grants and policy
tests. First it shows what would change, and asks. All of it is made in one transaction, or
nothing: if something was changed since the plan was shown, it says so. What the file does
not name stays as it is.

With --prune LABEL=VALUE resources that carry the label and are not in the file are deleted,
and grants that are not in the file of such resources or of the label itself.

Exit codes: 0 done, or there was nothing to do; 1 failed; 2 wrong usage; 4 something would
change, with --plan.`,
		Example: `  grpccontroller apply -f policy.yaml
  grpccontroller apply -f policy.yaml --prune app=shop --yes
  grpccontroller apply -f policy.yaml --plan -o json
  grpccontroller export | grpccontroller apply -f - --plan`,
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			return f.run(ctx, api, cmd)
		}),
	}
	c.register(cmd.Flags())
	fs := cmd.Flags()
	fs.StringVarP(&f.file, "file", "f", "", "the policy `file`, in YAML; - is standard input")
	_ = cmd.MarkFlagRequired("file")
	fs.StringVar(&f.prune, "prune", "", "delete what carries this `label`, such as app=shop, and is not in the file")
	cli.Check(cmd, "prune", func(text string) error {
		_, err := access.ParseLabel(text)
		return err
	})
	fs.BoolVar(&f.plan, "plan", false, "only show what would change")
	RegisterYes(cmd, &f.yes)
	f.out.Register(fs)
	return cmd
}

func (f *applyFlags) run(ctx context.Context, api *adminclient.Client, cmd *cobra.Command) error {
	document, err := readPolicyFile(cmd, f.file)
	if err != nil {
		return err
	}
	plan, err := api.PlanPolicy(ctx, adminapi.PolicyPlanRequest{Document: document, Prune: f.prune})
	if err != nil {
		return inFile(f.file, err)
	}
	if err := f.out.Write(cmd.OutOrStdout(), plan, func(w io.Writer) error { return writePlan(w, plan) }); err != nil {
		return err
	}
	switch {
	case len(plan.Changes) == 0:
		return nil
	case f.plan:
		return cli.CodedError(exitDrift, errors.New("the controller differs from the file: "+planSummary(plan)))
	}
	if err := Confirm(ctx, cmd, f.yes, "Make these changes?", planSummary(plan)); err != nil {
		return err
	}
	done, err := api.ApplyPolicy(ctx, adminapi.PolicyRequest{Document: document, Prune: f.prune, Version: plan.Version})
	if err != nil {
		return inFile(f.file, err)
	}
	_, err = fmt.Fprintln(cmd.ErrOrStderr(), "policy applied: "+planSummary(done))
	return err
}

// inFile names the file in what is wrong with it.
func inFile(file string, err error) error {
	e, ok := errors.AsType[*adminclient.Error](err)
	if !ok || e.Type != adminapi.TypeInvalidRequest {
		return err
	}
	out := *e
	if out.Field == "document" {
		out.Field = file
		out.Errors = nil
	}
	return &out
}

// readPolicyFile reads a file, or standard input.
func readPolicyFile(cmd *cobra.Command, name string) (string, error) {
	in := cmd.InOrStdin()
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", err
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	raw, err := io.ReadAll(io.LimitReader(in, maxPolicyFile+1))
	if err == nil && len(raw) > maxPolicyFile {
		err = fmt.Errorf("%s is larger than %d MiB", name, maxPolicyFile>>20)
	}
	return string(raw), err
}

func planSummary(p adminapi.PolicyPlan) string {
	count := map[string]int{}
	for _, c := range p.Changes {
		count[c.Action]++
	}
	return fmt.Sprintf("%d to create, %d to change, %d to delete, %d unchanged", count["create"], count["change"], count["delete"], p.Unchanged)
}

// writePlan shows a plan to people.
func writePlan(w io.Writer, p adminapi.PolicyPlan) error {
	signs := map[string]string{"create": "+", "change": "~", "delete": "-"}
	var b strings.Builder
	for _, c := range p.Changes {
		fmt.Fprintf(&b, "%s %s/%s", signs[c.Action], c.Kind, c.ID)
		if c.Before != "" {
			b.WriteString("\n    - " + cli.Printable(c.Before))
		}
		if c.After != "" {
			b.WriteString("\n    + " + cli.Printable(c.After))
		}
		b.WriteString("\n")
	}
	if len(p.Changes) == 0 {
		fmt.Fprintf(&b, "nothing to do: %d unchanged\n", p.Unchanged)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func exportCommand() *cobra.Command {
	c := &connection{}
	cmd := &cobra.Command{
		Use: "export", Short: "Print networks, resources, grants and policy tests as a policy file",
		Long:    "Print networks, resources, grants and policy tests as a policy file. To apply it changes nothing.",
		Example: "  grpccontroller export > policy.yaml",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			f, err := api.ExportPolicy(ctx)
			if err != nil {
				return err
			}
			_, err = io.WriteString(cmd.OutOrStdout(), f.Document)
			return err
		}),
	}
	c.register(cmd.Flags())
	return cmd
}
