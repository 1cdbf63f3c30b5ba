package enroll_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// hostKeyFile is an SSH host key: its path and public line.
func hostKeyFile(t *testing.T) (path, public string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "ssh_host_ed25519_key")
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	return path, string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
}

func TestASealedTokenIsOfUseToItsHostAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path, public := hostKeyFile(t)
	tok, sealed, err := w.Create(t.Context(), enroll.TokenRequest{Workload: connector, Delivery: enroll.Sealed, Recipient: public})
	require.NoError(t, err)
	require.NotContains(t, sealed, "ztc_")
	require.Contains(t, tok.Recipient, "SHA256:")
	id, err := keys.LoadIdentities([]string{path}, false)
	require.NoError(t, err)
	token, err := keys.OpenToken(strings.NewReader(sealed), id)
	require.NoError(t, err)
	_, err = w.Redeem(t.Context(), redemption(token, connector, enrolltest.NewKey(t)))
	require.NoError(t, err)
}

func TestRefusesADeliveryThatMakesNoSense(t *testing.T) {
	t.Parallel()
	_, public := hostKeyFile(t)
	for name, c := range map[string]struct {
		delivery         enroll.Delivery
		recipient, field string
	}{
		"an unknown one":                  {"pigeon", "", "delivery"},
		"one that only an approval makes": {enroll.ByRequest, "", "delivery"},
		"sealed to nobody":                {enroll.Sealed, "", "recipient"},
		"sealed to a malformed key":       {enroll.Sealed, "ssh-ed25519 AAAA", "recipient"},
		"sealed to a private key":         {enroll.Sealed, "AGE-SECRET-KEY-1QQQQ", "recipient"},
		"plain, with a recipient":         {enroll.Plain, public, "recipient"},
		"a claim link, with a recipient":  {enroll.ByClaim, public, "recipient"},
		"sealed to a key of low order":    {enroll.Sealed, "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqhcmz8p", "recipient"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			_, handed, err := w.Create(t.Context(), enroll.TokenRequest{Workload: connector, Delivery: c.delivery, Recipient: c.recipient})
			var field *enroll.FieldError
			require.ErrorAs(t, err, &field)
			require.Equal(t, c.field, field.Field)
			require.Empty(t, handed)
			all, err := enrolltest.Tokens(t.Context(), w)
			require.NoError(t, err)
			require.Empty(t, all)
		})
	}
}

func (w *world) link(t *testing.T) (enroll.Token, string) {
	t.Helper()
	tok, code, err := w.Create(t.Context(), enroll.TokenRequest{Workload: connector, Delivery: enroll.ByClaim})
	require.NoError(t, err)
	require.NoError(t, keys.CheckSecret("ztl_", code))
	return tok, code
}

func (w *world) tokenState(t *testing.T) enroll.Token {
	t.Helper()
	all, err := enrolltest.Tokens(t.Context(), w)
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

func opening(code, from string) enroll.Opening {
	return enroll.Opening{Code: code, From: from, RequestID: "r5"}
}

// sealedIn is what the database has of a link's token.
func (w *world) sealedIn(t *testing.T, code string) []byte {
	t.Helper()
	var c enroll.Claim
	require.NoError(t, w.store.EnrollTx(t.Context(), func(tx enroll.Tx) (err error) {
		c, err = tx.ClaimByHash(t.Context(), keys.HashSecret(code))
		return err
	}))
	return c.Sealed
}

func TestAClaimLinkOpensOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tok, code := w.link(t)
	require.False(t, bytes.Contains(w.sealedIn(t, code), []byte("ztc_")), "no token in clear")
	got, token, err := w.OpenClaim(t.Context(), opening(code, "192.0.2.1"))
	require.NoError(t, err)
	require.Equal(t, tok.ID, got.ID)
	require.Empty(t, w.sealedIn(t, code), "nothing is left to open")
	require.Equal(t, "192.0.2.1", w.tokenState(t).OpenedFrom)
	_, err = w.Redeem(t.Context(), redemption(token, connector, enrolltest.NewKey(t)))
	require.NoError(t, err)
}

func TestASecondOpeningIsRefusedAndTold(t *testing.T) {
	t.Parallel()
	t.Run("and revokes a token that was not redeemed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		_, code := w.link(t)
		_, token, err := w.OpenClaim(t.Context(), opening(code, "192.0.2.1"))
		require.NoError(t, err)
		for _, from := range []string{"192.0.2.2", "192.0.2.3"} {
			_, second, err := w.OpenClaim(t.Context(), opening(code, from))
			require.ErrorIs(t, err, enroll.ErrClaimRefused)
			require.Empty(t, second)
		}
		tok := w.tokenState(t)
		require.Equal(t, "192.0.2.2", tok.ReopenedFrom)
		require.False(t, tok.ReopenedAt.IsZero())
		require.Equal(t, enroll.Revoked, tok.State(w.clock.Now()))
		_, err = w.Redeem(t.Context(), redemption(token, connector, enrolltest.NewKey(t)))
		require.Equal(t, "revoked", enroll.RefusalOf(err), "whoever was first")
		actions := map[audit.Action]int{}
		events, err := w.store.AuditSince(t.Context(), time.Time{})
		require.NoError(t, err)
		for _, e := range events {
			actions[e.Action]++
		}
		require.Equal(t, 1, actions[audit.ClaimOpen])
		require.Equal(t, 2, actions[audit.ClaimRefuse])
		require.Equal(t, 1, actions[audit.TokenRevoke])
	})
	t.Run("and marks the host that was faster as contested", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		_, code := w.link(t)
		_, token, err := w.OpenClaim(t.Context(), opening(code, "192.0.2.1"))
		require.NoError(t, err)
		_, err = w.Redeem(t.Context(), redemption(token, connector, enrolltest.NewKey(t)))
		require.NoError(t, err)
		_, _, err = w.OpenClaim(t.Context(), opening(code, "192.0.2.2"))
		require.ErrorIs(t, err, enroll.ErrClaimRefused)
		hosts, err := w.store.Hosts(t.Context())
		require.NoError(t, err)
		require.False(t, hosts[0].ContestedAt.IsZero())
		require.Equal(t, enroll.Redeemed, w.tokenState(t).State(w.clock.Now()))
	})
}

func TestLinksThatDoNotOpenLookAlike(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spoil func(t *testing.T, w *world, tok enroll.Token, code string) string
		why   string
	}{
		"a wrong code": {func(*testing.T, *world, enroll.Token, string) string { return keys.NewSecret("ztl_") }, "unknown claim code"},
		"a mistyped code": {func(_ *testing.T, _ *world, _ enroll.Token, code string) string {
			other := "a"
			if code[20] == 'a' {
				other = "b"
			}
			return code[:20] + other + code[21:]
		}, ""},
		"no code":        {func(*testing.T, *world, enroll.Token, string) string { return "" }, "not a claim code"},
		"a token":        {func(*testing.T, *world, enroll.Token, string) string { return keys.NewSecret("ztc_") }, "not a claim code"},
		"the token's id": {func(_ *testing.T, _ *world, tok enroll.Token, _ string) string { return tok.ID }, "not a claim code"},
		"an expired link": {func(_ *testing.T, w *world, _ enroll.Token, code string) string {
			w.clock.Advance(enroll.DefaultTTL)
			return code
		}, "token is expired"},
		"one that was swept": {func(t *testing.T, w *world, _ enroll.Token, code string) string {
			w.clock.Advance(enroll.DefaultTTL)
			require.NoError(t, w.Sweep(t.Context()))
			require.Empty(t, w.sealedIn(t, code), "expired, and erased")
			return code
		}, "token is expired"},
		"a revoked one": {func(t *testing.T, w *world, tok enroll.Token, code string) string {
			require.NoError(t, w.Revoke(t.Context(), tok.ID, operator, "r", ""))
			require.Empty(t, w.sealedIn(t, code), "revoked, and erased")
			return code
		}, "token is revoked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tok, code := w.link(t)
			given := c.spoil(t, w, tok, code)
			got, token, err := w.OpenClaim(t.Context(), opening(given, "192.0.2.1"))
			require.Equal(t, enroll.ErrClaimRefused, err)
			require.Empty(t, token)
			require.Empty(t, got.ID)
			outcome, why := w.lastReason(t)
			require.Equal(t, audit.Denied, outcome)
			if c.why != "" {
				require.Equal(t, c.why, why)
			}
		})
	}
}
