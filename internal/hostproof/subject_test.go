package hostproof_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostproof"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func subject() hostproof.Subject {
	return hostproof.Subject{
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
	for name, swap := range map[string]func(*hostproof.Subject){
		"the host's key":             func(s *hostproof.Subject) { s.Key = []byte("the thief's key") },
		"the listener's certificate": func(s *hostproof.Subject) { s.Listener = []byte("of a man in the middle") },
		"the id":                     func(s *hostproof.Subject) { s.Workload.ID = "gx" },
		"the kind":                   func(s *hostproof.Subject) { s.Workload.Kind = identity.KindTunneler },
		"the trust domain":           func(s *hostproof.Subject) { s.TrustDomain = "mycorp.example" },
		"where one field ends": func(s *hostproof.Subject) {
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
		require.True(t, hostproof.SameFingerprint(fp, typed), typed)
	}
	for _, typed := range []string{"", "-", "MNP", "MNPR", "GHJK", "GHJK-MNPQ", "0123-4567-89AB-CDEF-GHJK", fp + "0", "0123-4567-89AB-CDEF-GHJK-MNPR", strings.Repeat(fp, 3)} {
		require.False(t, hostproof.SameFingerprint(fp, typed), typed)
	}
	require.False(t, hostproof.SameFingerprint("", ""))
	first, last := hostproof.SplitFingerprint(fp)
	require.Equal(t, "0123-4567-89AB-CDEF-GHJK", first)
	require.Equal(t, "MNPQ", last)
	first, last = hostproof.SplitFingerprint("")
	require.Empty(t, first+last)
}

func TestASignatureServesOnePurposeOnly(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	message := hostproof.AwaitMessage("req_1", []byte("challenge"), []byte("exporter"))
	signature, err := hostproof.Sign(key, message)
	require.NoError(t, err)
	require.LessOrEqual(t, len(signature), hostproof.MaxSignature)
	require.NoError(t, hostproof.Verify(&key.PublicKey, message, signature))
	for name, m := range map[string][]byte{
		"another request":    hostproof.AwaitMessage("req_2", []byte("challenge"), []byte("exporter")),
		"another challenge":  hostproof.AwaitMessage("req_1", []byte("challenge2"), []byte("exporter")),
		"another connection": hostproof.AwaitMessage("req_1", []byte("challenge"), []byte("exporter2")),
		"a shifted boundary": hostproof.AwaitMessage("req_1", []byte("challengee"), []byte("xporter")),
		"the request itself": subject().AskMessage(),
	} {
		require.ErrorIs(t, hostproof.Verify(&key.PublicKey, m, signature), hostproof.ErrSignature, name)
	}
	require.ErrorIs(t, hostproof.Verify(&other.PublicKey, message, signature), hostproof.ErrSignature)
	require.ErrorIs(t, hostproof.Verify(&key.PublicKey, message, append(signature, make([]byte, 100)...)), hostproof.ErrSignature)
	require.ErrorIs(t, hostproof.Verify(&key.PublicKey, message, nil), hostproof.ErrSignature)
}
