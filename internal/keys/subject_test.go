package keys_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

func subject() keys.Subject {
	return keys.Subject{
		TrustDomain: "mycorp.internal", Workload: identity.Workload{Kind: identity.KindConnector, ID: "gw"},
		Key: []byte("the host's key"), Listener: []byte("the listener's certificate"),
	}
}

// TestFingerprint is a vector too: it must not change between versions, for a host
// and a controller of different ones show it side by side.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	got := subject().Fingerprint()
	require.Regexp(t, `^([0-9A-HJKMNP-TV-Z]{4}-){5}[0-9A-HJKMNP-TV-Z]{4}$`, got)
	require.Equal(t, vector, got)
}

const vector = "SS37-VSM8-WDMY-JJ01-AVNH-KC9R"

func TestWhateverAnAttackerSwapsShowsAnotherFingerprint(t *testing.T) {
	t.Parallel()
	for name, swap := range map[string]func(*keys.Subject){
		"the host's key":             func(s *keys.Subject) { s.Key = []byte("the thief's key") },
		"the listener's certificate": func(s *keys.Subject) { s.Listener = []byte("of a man in the middle") },
		"the id":                     func(s *keys.Subject) { s.Workload.ID = "gx" },
		"the kind":                   func(s *keys.Subject) { s.Workload.Kind = identity.KindTunneler },
		"the trust domain":           func(s *keys.Subject) { s.TrustDomain = "mycorp.example" },
		"where one field ends": func(s *keys.Subject) {
			s.Workload.ID, s.Key = "gwt", []byte("he host's key")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := subject()
			swap(&s)
			require.NotEqual(t, subject().Fingerprint(), s.Fingerprint())
			require.NotEqual(t, subject().AskMessage(), s.AskMessage())
		})
	}
}

func TestSameFingerprint(t *testing.T) {
	t.Parallel()
	const fp = "0123-4567-89AB-CDEF-GHJK-MNPQ"
	for _, typed := range []string{fp, strings.ToLower(fp), "0123456789ABCDEFGHJKMNPQ", " o123 4567 89ab cdef ghjk mnpq", "OL23-4567-89AB-CDEF-GHJK-MNPQ", "MNPQ", " mn-pq\n"} {
		require.True(t, keys.SameFingerprint(fp, typed), typed)
	}
	for _, typed := range []string{"", "-", "MNP", "MNPR", "GHJK", "GHJK-MNPQ", "0123-4567-89AB-CDEF-GHJK", fp + "0", "0123-4567-89AB-CDEF-GHJK-MNPR", strings.Repeat(fp, 3)} {
		require.False(t, keys.SameFingerprint(fp, typed), typed)
	}
	require.False(t, keys.SameFingerprint("", ""))
	first, last := keys.SplitFingerprint(fp)
	require.Equal(t, "0123-4567-89AB-CDEF-GHJK", first)
	require.Equal(t, "MNPQ", last)
	first, last = keys.SplitFingerprint("")
	require.Empty(t, first+last)
}

func TestASignatureServesOnePurposeOnly(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	message := keys.AwaitMessage("req_1", []byte("challenge"), []byte("exporter"))
	signature, err := keys.Sign(key, message)
	require.NoError(t, err)
	require.LessOrEqual(t, len(signature), keys.MaxSignature)
	require.NoError(t, keys.Verify(&key.PublicKey, message, signature))
	for name, m := range map[string][]byte{
		"another request":    keys.AwaitMessage("req_2", []byte("challenge"), []byte("exporter")),
		"another challenge":  keys.AwaitMessage("req_1", []byte("challenge2"), []byte("exporter")),
		"another connection": keys.AwaitMessage("req_1", []byte("challenge"), []byte("exporter2")),
		"a shifted boundary": keys.AwaitMessage("req_1", []byte("challengee"), []byte("xporter")),
		"the request itself": subject().AskMessage(),
	} {
		require.ErrorIs(t, keys.Verify(&key.PublicKey, m, signature), keys.ErrSignature, name)
	}
	require.ErrorIs(t, keys.Verify(&other.PublicKey, message, signature), keys.ErrSignature)
	require.ErrorIs(t, keys.Verify(&key.PublicKey, message, append(signature, make([]byte, 100)...)), keys.ErrSignature)
	require.ErrorIs(t, keys.Verify(&key.PublicKey, message, nil), keys.ErrSignature)
}
