package admincmd

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func auditRenewals(c *connection) *cobra.Command {
	var out cli.Output
	var f adminclient.RenewalFilter
	var limit int
	var export bool
	cmd := &cobra.Command{
		Use:   "renewals",
		Short: "List the SVIDs that members proved, newest first",
		Long: `List the SVIDs that connectors and tunnelers proved to the controller: the first one of
each and every renewal. They are recorded within a minute and kept for 30 days. Each hour, an
svid.anchor event of the audit log counts and hashes them; "audit verify" compares.`,
		Example: `  grpccontroller audit renewals --member connector/c-01
  grpccontroller audit renewals --serial 5f0c9a --since 24h -o json
  grpccontroller audit renewals --export > svid-renewals.jsonl`,
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if export && (cmd.Flags().Changed("limit") || cmd.Flags().Changed("output")) {
				return errors.New("--export writes all of them as JSON lines; leave out --limit and --output")
			}
			return checkLimit(limit)
		},
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			if export {
				return api.ExportSVIDRenewals(ctx, f, cmd.OutOrStdout())
			}
			all, err := api.SVIDRenewals(ctx, f, limit)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), all, func(w io.Writer) error { return renewalTable(all).Write(w) })
		}),
	}
	const star = " (a * at the end matches any text)"
	cmd.Flags().StringVar(&f.Member, "member", "", "only of this `member`, such as connector/c-01"+star)
	cmd.Flags().StringVar(&f.Serial, "serial", "", "only this `serial` number, in hexadecimal"+star)
	cmd.Flags().StringVar(&f.Authority, "authority", "", "only those that this `authority` signed"+star)
	cmd.Flags().Var(&when{at: &f.Since}, "since", "not before this `time` (RFC 3339), or so long ago (24h)")
	cmd.Flags().Var(&when{at: &f.Until}, "until", "before this `time` (RFC 3339), or so long ago (1h)")
	cmd.Flags().BoolVar(&export, "export", false, "write all of them to standard output as JSON lines, oldest first")
	cmd.Flags().IntVar(&limit, "limit", 50, "at most this `number` of renewals")
	out.Register(cmd.Flags())
	return cmd
}

func renewalTable(all []adminapi.SVIDRenewal) cli.Table {
	t := cli.Table{Header: []string{"TIME", "MEMBER", "SERIAL", "NOT AFTER", "AUTHORITY"}}
	for _, r := range all {
		t.Rows = append(t.Rows, []string{
			absolute(r.Time), r.Member, r.Serial, absolute(r.NotAfter), r.Authority,
		})
	}
	return t
}
