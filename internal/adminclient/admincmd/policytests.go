package admincmd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func policyTests() resource[adminapi.PolicyTest] {
	return resource[adminapi.PolicyTest]{
		singular: "policy-test", plural: "policy-tests",
		list: all((*adminclient.Client).PolicyTests), one: (*adminclient.Client).PolicyTest, id: func(t adminapi.PolicyTest) string { return t.ID },
		table: policyTestTable,
		wide:  []string{"NETWORK", "CODE", "RESOURCE", "GRANT", "NOTE", "CREATED AT", "REVISION"},
		cells: func(t adminapi.PolicyTest) []string {
			d := t.Decision
			return []string{
				orDefault(t.NetworkID, "-"), d.Code, orDefault(d.ResourceID, "-"), orDefault(d.GrantID, "-"), orDefault(t.Note, "-"),
				absolute(t.CreatedAt), strconv.FormatInt(t.Revision, 10),
			}
		},
	}
}

func policyTestTable(all []adminapi.PolicyTest, _ time.Time) cli.Table {
	t := cli.Table{Header: []string{"ID", "SUBJECT", "EXPECT", "TARGET", "HOLDS"}}
	for _, p := range all {
		t.Rows = append(t.Rows, []string{p.ID, p.Subject, p.Expect, p.Target, yesNo(p.Holds)})
	}
	return t
}

func policyTestsCommand() *cobra.Command {
	cmd := group("policy-tests", "List, create, change and delete policy tests, which changes must not break", func(c *connection) []*cobra.Command {
		return []*cobra.Command{
			listCommand(c, policyTests(), "List policy tests, and whether they hold"), getOneCommand(c, policyTests()), policyTestCreate(c), policyTestSet(c),
			deleteCommand(c, policyTests(), "Changes that it refused are possible then.", (*adminclient.Client).DeletePolicyTest),
		}
	})
	cmd.Example = `  grpccontroller policy-tests create --from tunneler/laptop-01 --expect reach --to db.corp:5432
  grpccontroller policy-tests create no-vault --from label/team=dev --expect refuse --to vault.corp:8200
  grpccontroller policy-tests list -o wide`
	return cmd
}

// policyTestFlags are those of create and set.
type policyTestFlags struct {
	from, to, network, expect, note string
	revision                        int64
}

func (f *policyTestFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.from, "from", "", "which `subject` asks: tunneler/ID, or label/KEY=VALUE for a tunneler with that label and no others")
	fs.StringVar(&f.to, "to", "", "for which `target`: HOST:PORT")
	fs.StringVar(&f.network, "network", "", "the `id` of the network in which; any if it is not given")
	fs.StringVar(&f.expect, "expect", "", "what must be decided: reach or refuse")
	fs.StringVar(&f.note, "note", "", "a `note` for people: why")
	cli.Choices(cmd, "expect", "reach", "refuse")
	sets(cmd, map[string]string{"from": "subject", "to": "target", "network": "network_id", "ID": "id"})
}

// completes suggests what a policy test may name.
func (f *policyTestFlags) completes(cmd *cobra.Command, c *connection) {
	c.completeFlag(cmd, "from", knownSubjects)
	c.completeFlag(cmd, "to", knownTargets)
	c.completeFlag(cmd, "network", networks().known)
}

func policyTestCreate(c *connection) *cobra.Command {
	var f policyTestFlags
	cmd := &cobra.Command{
		Use: "create [ID]", Short: "Say what the rules must decide",
		Long: `Say what the rules must decide. From then on each change of resources, grants, networks or
labels that breaks it is refused, and so is a test that does not hold. Without an id the
controller makes one.

Hours of grants do not count: who may reach a target on Mondays may reach it.`,
		Example: "  grpccontroller policy-tests create --from tunneler/laptop --expect reach --to db.corp:5432\n" +
			"  grpccontroller policy-tests create no-vault --from label/team=dev --expect refuse --to vault.corp:8200 --note \"only operators\"",
		Args: cli.Arguments("[ID]"),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			in := adminapi.PolicyTestRequest{Subject: f.from, Target: f.to, NetworkID: f.network, Expect: f.expect, Note: f.note}
			if len(args) > 0 {
				in.ID = args[0]
			}
			t, err := api.CreatePolicyTest(ctx, in)
			if err != nil {
				return err
			}
			if _, err = fmt.Fprintf(cmd.ErrOrStderr(), "policy test %s created\n", quote(t.ID)); err != nil {
				return err
			}
			return noteUnknownTunneler(ctx, api, cmd, t.Subject)
		}),
	}
	f.register(cmd)
	f.completes(cmd, c)
	for _, flag := range []string{"from", "to", "expect"} {
		_ = cmd.MarkFlagRequired(flag)
	}
	return cmd
}

func policyTestSet(c *connection) *cobra.Command {
	var f policyTestFlags
	cmd := &cobra.Command{
		Use: "set ID", Short: "Change a policy test",
		Long: `Change a policy test. What is not named stays as it is; an empty --network is any network. What
the test expects then must hold.

With --revision, which "get -o json" shows, a change that somebody else made meanwhile
is not overwritten.`,
		Example: "  grpccontroller policy-tests set no-vault --note \"only operators, since the audit\"\n  grpccontroller policy-tests set no-vault --network \"\"",
		Args:    cli.Arguments("ID"), ValidArgsFunction: c.complete(policyTests().known),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			in, err := f.change(cmd)
			if err != nil {
				return cli.UsageError(err)
			}
			if _, err := api.ChangePolicyTest(ctx, args[0], in); err != nil {
				return explainUnknown(err, "policy test", "policy-tests list", args[0])
			}
			if _, err = fmt.Fprintf(cmd.ErrOrStderr(), "policy test %s changed\n", quote(args[0])); err != nil {
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
func (f *policyTestFlags) change(cmd *cobra.Command) (adminclient.PolicyTestEdit, error) {
	given, in := cmd.Flags().Changed, adminclient.PolicyTestEdit{}
	for flag, field := range map[string]struct{ name, value string }{
		"from": {"subject", f.from}, "to": {"target", f.to}, "network": {"network_id", f.network}, "expect": {"expect", f.expect}, "note": {"note", f.note},
	} {
		if !given(flag) {
			continue
		}
		if in[field.name] = field.value; field.value == "" && (flag == "network" || flag == "note") {
			in[field.name] = nil
		}
	}
	if len(in) == 0 {
		return nil, errors.New("nothing is to be changed: give --from, --to, --network, --expect or --note")
	}
	if given("revision") {
		if f.revision < 1 { // 0 would take any
			return nil, errors.New("--revision must be that of \"get -o json\", 1 or more")
		}
		in["revision"] = f.revision
	}
	return in, nil
}
