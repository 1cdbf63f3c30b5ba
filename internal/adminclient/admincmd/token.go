package admincmd

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/cli"
)

func tokenCommand() *cobra.Command {
	return group("token", "Create, list and revoke enrollment tokens", func(c *connection) []*cobra.Command {
		return []*cobra.Command{tokenCreate(c), tokenList(c), tokenRevoke(c)}
	})
}

func tokenCreate(c *connection) *cobra.Command {
	var req adminapi.TokenRequest
	var out cli.Output
	var quiet bool
	cmd := &cobra.Command{
		Use:   "create --kind connector|tunneler --id ID",
		Short: "Create a one-time enrollment token",
		Long: `Create a one-time enrollment token for one connector or tunneler.

The token is shown this once; the controller keeps only its hash. Whoever has it
can enroll as that id until it is redeemed, revoked or expired.`,
		Example: `  # the command to run on the new host
  grpccontroller token create --kind connector --id connector-local-01

  # the token alone, for a script; valid for an hour and from one network
  grpccontroller token create --kind tunneler --id laptop-7 --ttl 1h --source-cidr 10.8.0.0/16 --quiet

  # the host is lost: its successor takes the id over
  grpccontroller token create --kind connector --id connector-local-01 --replace`,
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			t, err := api.CreateToken(ctx, req)
			if err != nil {
				return err
			}
			if quiet {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), t.Token)
				return err
			}
			return out.Write(cmd.OutOrStdout(), t, func(w io.Writer) error { return writeCreated(w, t) })
		}),
	}
	fs := cmd.Flags()
	fs.StringVar(&req.Kind, "kind", "", "`kind`: connector or tunneler")
	fs.StringVar(&req.ID, "id", "", "`id` that the host will have: a-z, 0-9 and -")
	fs.StringVar(&req.TTL, "ttl", "", "`duration` until the token expires, 1m to 24h (default 10m)")
	fs.BoolVar(&req.Replace, "replace", false, "redeeming the token revokes the live host of this id")
	fs.StringVar(&req.SourceCIDR, "source-cidr", "", "`network` from which alone the token can be redeemed")
	fs.BoolVarP(&quiet, "quiet", "q", false, "print the token alone")
	out.Register(fs)
	_ = cmd.MarkFlagRequired("kind")
	_ = cmd.MarkFlagRequired("id")
	cmd.MarkFlagsMutuallyExclusive("quiet", "output")
	return cmd
}

func writeCreated(w io.Writer, t adminapi.CreatedToken) error {
	p := cli.NewPaint(w)
	_, err := fmt.Fprintf(w, "%s     %s\n%s       %s %s\n%s   %s (%s)\n%s  %s\n\n%s\n\n%s\n\n%s\n",
		p.Bold("Token"), t.Token,
		p.Bold("For"), t.Kind, t.ID,
		p.Bold("Expires"), relative(t.ExpiresAt, time.Now()), t.ExpiresAt.Format(time.RFC3339),
		p.Bold("Token ID"), t.TokenID,
		p.Bold("Run this on the new host:"), t.InstallCommand,
		p.Dim("The token is shown this once. grpccontroller token revoke "+t.TokenID+" takes it back."))
	return err
}

func tokenList(c *connection) *cobra.Command {
	var out cli.Output
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List enrollment tokens, newest first",
		Example: "  grpccontroller token list\n  grpccontroller token list -o json",
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			all, err := api.Tokens(ctx)
			if err != nil {
				return err
			}
			return out.Write(cmd.OutOrStdout(), all, func(w io.Writer) error { return writeTable(w, tokenTable(all, time.Now())) })
		}),
	}
	out.Register(cmd.Flags())
	return cmd
}

func tokenTable(all []adminapi.Token, now time.Time) cli.Table {
	t := cli.Table{Header: []string{"TOKEN ID", statusColumn, "KIND", "ID", "EXPIRES", "CREATED", "BY", "SOURCE", "REPLACE"}}
	for _, tok := range all {
		expires := "-"
		if tok.State == "pending" || tok.State == "expired" {
			expires = relative(tok.ExpiresAt, now)
		}
		t.Rows = append(t.Rows, []string{
			tok.TokenID, tok.State, tok.Kind, tok.ID, expires, relative(tok.CreatedAt, now), tok.CreatedBy,
			orDefault(tok.SourceCIDR, "any"), strconv.FormatBool(tok.Replace),
		})
	}
	return t
}

func tokenRevoke(c *connection) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "revoke TOKEN_ID",
		Short:   "Make a pending enrollment token unusable",
		Example: "  grpccontroller token revoke tok_0123456789abcdef",
		Args:    cobra.ExactArgs(1),
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, args []string) error {
			const consequences = "Nobody can enroll with this token any more. A host that has enrolled with it stays enrolled."
			if err := confirm(ctx, cmd, yes, "Revoke enrollment token "+quote(args[0])+"?", consequences); err != nil {
				return err
			}
			if err := api.RevokeToken(ctx, args[0]); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.ErrOrStderr(), "enrollment token %s revoked\n", quote(args[0]))
			return err
		}),
	}
	registerYes(cmd, &yes)
	return cmd
}
