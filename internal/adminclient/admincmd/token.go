package admincmd

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
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
	var quiet, claim bool
	var sealTo string
	cmd := &cobra.Command{
		Use:   "create --kind connector|tunneler --id ID",
		Short: "Create a one-time enrollment token",
		Long: `Create a one-time enrollment token for one connector or tunneler.

The token is shown once; the controller keeps only its hash. Anybody who has it
can enroll as that id until it is redeemed, revoked or expired.

Safer than passing a token around: let the host ask ("enroll --request" on
the host, then "requests approve" here), or seal the token to a key of the host with
--seal-to. A --claim link opens once and shows if somebody else opened it first.`,
		Example: `  # the command to run on the new host
  grpccontroller token create --kind connector --id connector-local-01

  # the token alone, for a script; valid for an hour and from one network
  grpccontroller token create --kind tunneler --id laptop-7 --ttl 1h --source-cidr 10.8.0.0/16 --quiet

  # only the host's own SSH key opens it; it can travel by chat
  grpccontroller token create --kind connector --id gw-2 --seal-to "$(ssh-keyscan -t ed25519 gw-2 | cut -d' ' -f2-)"

  # the host is lost: a new host takes over its id
  grpccontroller token create --kind connector --id connector-local-01 --replace`,
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := noneEmpty(cmd); err != nil {
				return err
			}
			return deliver(&req, sealTo, claim)
		},
		RunE: c.run(func(ctx context.Context, api *adminclient.Client, cmd *cobra.Command, _ []string) error {
			t, err := api.CreateToken(ctx, req)
			if err != nil {
				return err
			}
			if quiet {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), strings.TrimSpace(t.Token+t.SealedToken+t.ClaimURL))
				return err
			}
			return out.Write(cmd.OutOrStdout(), t, func(w io.Writer) error { return writeCreated(w, t) })
		}),
	}
	fs := cmd.Flags()
	fs.StringVar(&req.Kind, "kind", "", "`kind`: connector or tunneler")
	fs.StringVar(&req.ID, "id", "", "`id` that the host will have: a-z, 0-9 and -")
	fs.StringVar(&req.TTL, "ttl", "", "`duration` until the token expires, 1m to 24h (default 10m)")
	fs.BoolVar(&req.Replace, "replace", false, "redeeming the token revokes the host that has this id now")
	fs.StringVar(&req.SourceCIDR, "source-cidr", "", "only `network` from which the token can be redeemed")
	fs.BoolVarP(&quiet, "quiet", "q", false, "print the token, sealed token or link alone")
	fs.StringVar(&sealTo, "seal-to", "", "public `key` of the host (age1…, ssh-ed25519 …, ssh-rsa …) or a file with one; only its private key opens the token")
	fs.BoolVar(&claim, "claim", false, "print a link that opens once instead of the token")
	out.Register(fs)
	_ = cmd.MarkFlagRequired("kind")
	_ = cmd.MarkFlagRequired("id")
	cli.Choices(cmd, "kind", "connector", "tunneler")
	cli.Check(cmd, "id", idForm)
	cli.Check(cmd, "ttl", durationForm)
	cli.Check(cmd, "source-cidr", networkForm)
	cmd.MarkFlagsMutuallyExclusive("quiet", "output")
	cmd.MarkFlagsMutuallyExclusive("seal-to", "claim")
	return cmd
}

// noneEmpty refuses flags that protect the token and were given without a value: the
// command in "$(…)" that was to print it has failed, and the token would go out without
// the protection that was asked for.
func noneEmpty(cmd *cobra.Command) error {
	for name, hint := range map[string]string{
		"seal-to":     "did the command that prints the key reach the host?",
		"source-cidr": "leave it out for any network",
		"ttl":         "leave it out for 10m",
	} {
		if f := cmd.Flags().Lookup(name); f.Changed && strings.TrimSpace(f.Value.String()) == "" {
			return cli.UsageError(fmt.Errorf("--%s is empty: %s", name, hint))
		}
	}
	return nil
}

// deliver says how the token is to be delivered.
func deliver(req *adminapi.TokenRequest, sealTo string, claim bool) error {
	switch {
	case claim:
		req.Delivery = "claim"
	case sealTo != "":
		key, err := publicKey(sealTo)
		if err != nil {
			return err
		}
		req.Delivery, req.Recipient = "sealed", key
	}
	return nil
}

// publicKey is the key itself or the one in a file.
func publicKey(given string) (string, error) {
	if strings.HasPrefix(given, "ssh-") || strings.HasPrefix(given, "age1") {
		return given, nil
	}
	raw, err := readFile(given)
	if err != nil {
		return "", fmt.Errorf("--seal-to is neither a public key nor a file with one: %w", err)
	}
	key := strings.TrimSpace(string(raw))
	if strings.Contains(key, "PRIVATE KEY") || strings.HasPrefix(key, "AGE-SECRET-KEY") {
		return "", cli.UsageError(fmt.Errorf("--seal-to %s holds a private key; name the public one, usually %[1]s.pub", given))
	}
	return key, nil
}

func writeCreated(w io.Writer, t adminapi.CreatedToken) error {
	p := cli.NewPaint(w)
	first, note := p.Bold("Token")+"     "+t.Token, "The token is shown only once."
	switch {
	case t.SealedToken != "":
		first, note = p.Bold("Sealed to")+" "+t.Recipient, "Only that key opens it."
	case t.ClaimURL != "":
		first, note = p.Bold("Link")+"      "+t.ClaimURL, "The link opens once. If it is already open when the recipient tries it, revoke the token: token list shows when and from where it was opened."
	}
	run := p.Bold("Run this on the new host:")
	if t.Token != "" && !strings.Contains(t.InstallCommand, t.Token) {
		run = p.Bold("Run this on the new host, it asks for the token:")
	}
	if len(t.InstallCommands) > 0 && t.InstallCommands[0].Requires != "" {
		run = p.Warn("First: ") + t.InstallCommands[0].Requires + ".\n\n" + run
	}
	if t.LinkWarning != "" {
		first += "\n" + p.Warn("Warning") + "   " + t.LinkWarning
	}
	if t.ExpiryNote != "" {
		first += "\n" + p.Warn("Note") + "      " + t.ExpiryNote
	}
	if t.InstallCommand == "" {
		run = p.Warn("There is no command to paste: ") + "the controller does not know at which address hosts reach it. Set public_address."
	}
	_, err := fmt.Fprintf(w, "%s\n%s       %s %s\n%s   %s (%s)\n%s  %s\n\n%s\n\n%s\n\n%s\n",
		first,
		p.Bold("For"), t.Kind, t.ID,
		p.Bold("Expires"), relative(t.ExpiresAt, time.Now()), t.ExpiresAt.Format(time.RFC3339),
		p.Bold("Token ID"), t.TokenID,
		run, t.InstallCommand,
		p.Dim(note+" grpccontroller token revoke "+t.TokenID+" revokes it."))
	return err
}

func tokenList(c *connection) *cobra.Command {
	return listCommand(c, tokens(), "List enrollment tokens, newest first")
}

func tokenTable(all []adminapi.Token, now time.Time) cli.Table {
	t := cli.Table{Header: []string{"TOKEN ID", statusColumn, "KIND", "ID", "EXPIRES", "CREATED", "BY", "SOURCE", "REPLACE", "DELIVERY"}}
	for _, tok := range all {
		expires := "-"
		if tok.Status == "pending" || tok.Status == "expired" {
			expires = relative(tok.ExpiresAt, now)
		}
		t.Rows = append(t.Rows, []string{
			tok.TokenID, tok.Status, tok.Kind, tok.ID, expires, relative(tok.CreatedAt, now), tok.CreatedBy,
			orDefault(tok.SourceCIDR, "any"), strconv.FormatBool(tok.Replace), deliveryNote(tok, now),
		})
	}
	return t
}

// deliveryNote says what became of the delivery.
func deliveryNote(t adminapi.Token, now time.Time) string {
	switch {
	case !t.SecondOpenAt.IsZero():
		return fmt.Sprintf("claim, OPENED TWICE: from %s %s, from %s %s",
			t.OpenedFrom, relative(t.OpenedAt, now), t.SecondOpenFrom, relative(t.SecondOpenAt, now))
	case !t.OpenedAt.IsZero():
		return fmt.Sprintf("claim, opened from %s %s", t.OpenedFrom, relative(t.OpenedAt, now))
	case t.Recipient != "":
		return t.Delivery + " to " + t.Recipient
	default:
		return t.Delivery
	}
}

func tokenRevoke(c *connection) *cobra.Command {
	return revocation{
		kind: "enrollment token", argument: "TOKEN_ID", list: "token list",
		short:        "Make a pending enrollment token unusable",
		example:      "  grpccontroller token revoke tok_0123456789abcdef",
		consequences: "This token can no longer be redeemed. A host that has enrolled with it stays enrolled.",
		complete: c.complete(func(ctx context.Context, api *adminclient.Client) ([]string, error) {
			all, err := api.Tokens(ctx)
			return described(all, err, func(t adminapi.Token) (string, string, bool) {
				return t.TokenID, t.Kind + " " + t.ID, t.Status == "pending"
			})
		}),
		find:   findToken,
		revoke: (*adminclient.Client).RevokeToken,
	}.command(c)
}

// findToken says what became of a token. That a host has used it is an error: whoever
// revokes it wants that nobody has.
func findToken(ctx context.Context, api *adminclient.Client, id string) (string, error) {
	t, err := api.Token(ctx, id)
	if err != nil {
		return "", err
	}
	switch t.Status {
	case "redeemed":
		return "", fmt.Errorf("enrollment token %s was redeemed %s: %s %s has enrolled with it; `grpccontroller %[3]ss revoke %[4]s` ends its access",
			quote(id), relative(t.RedeemedAt, time.Now()), t.Kind, t.ID)
	case "revoked":
		return already("was revoked", t.RevokedAt), nil
	case "expired":
		return already("has expired", t.ExpiresAt), nil
	default:
		return "", nil
	}
}
