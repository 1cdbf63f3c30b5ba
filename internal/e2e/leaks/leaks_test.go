package leaks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/leaks"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// TestEachKindOfSecretIsFound proves that the search at the end of each world can
// fail, in each of the ways that a program might write a secret.
func TestEachKindOfSecretIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	sec1, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	scalar, err := key.Bytes()
	require.NoError(t, err)
	seal := make([]byte, 32)
	_, _ = rand.Read(seal)
	spire, err := json.Marshal(map[string]any{"keys": map[string][]byte{"x509-CA-A": sec1}})
	require.NoError(t, err)
	files := map[string][]byte{
		"host/host.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"seal.key":      seal, "spire/keys.json": spire, "note.key": []byte("PRIVATE+KEY+mycorp+1+abcdefghijkl\n"),
		"client-secret": []byte("hush-hush\n"), "host/host.crt": []byte("public-text"),
	}
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	s := &leaks.Search{}
	s.Add("a password", "correct horse")
	s.Add("nothing", "", "short")
	require.NoError(t, s.AddFiles(dir))

	for name, line := range map[string]string{
		"an enrollment token":           keys.NewSecret("ztc_"),
		"an API key":                    `{"key":"` + keys.NewSecret("zta_") + `"}`,
		"a session in a cookie":         "Cookie: s=" + keys.NewSecret("zts_") + "; x",
		"a claim code":                  "/claim#" + keys.NewSecret("ztl_"),
		"an access token":               "Bearer eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJrZXk6MSJ9.c2lnbmF0dXJlLW9mLWl0",
		"a PEM block":                   "-----BEGIN EC PRIVATE KEY-----",
		"a password":                    `password="correct horse"`,
		"the DER of a key in base64":    base64.StdEncoding.EncodeToString(der),
		"the same in a URL":             base64.RawURLEncoding.EncodeToString(der),
		"the same of SEC 1":             base64.StdEncoding.EncodeToString(sec1),
		"the DER in hex":                hex.EncodeToString(der),
		"its scalar":                    base64.StdEncoding.EncodeToString(scalar),
		"a key as fmt prints it":        fmt.Sprintf("%v", scalar),
		"a key as fmt prints its parts": new(big.Int).SetBytes(scalar).String(),
		"the seal key, raw":             string(seal),
		"the seal key in base64":        base64.StdEncoding.EncodeToString(seal),
		"the signer of the audit log":   "PRIVATE+KEY+mycorp+1+abcdefghijkl",
		"a secret of somebody else":     "client_secret=hush-hush",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NotEmpty(t, s.In([]byte("one\n"+line+"\nthree\n")), line)
		})
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	for name, line := range map[string]string{
		"a public key":              base64.StdEncoding.EncodeToString(public),
		"a certificate":             "public-text",
		"what only begins like one": "ztc_secret, see ztc_…",
		"a wrong checksum":          keys.NewSecret("ztc_")[:42] + "z",
		"a token id":                "tok_0123456789abcdef",
		"what is too short":         "short",
	} {
		t.Run("not "+name, func(t *testing.T) {
			t.Parallel()
			require.Empty(t, s.In([]byte(line)))
		})
	}
}

func TestALogIsSearchedAndItsAbsenceIsAFault(t *testing.T) {
	t.Parallel()
	dir, s := t.TempDir(), &leaks.Search{}
	_, err := s.InLogs(dir)
	require.ErrorContains(t, err, "no log")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.log"), []byte("one\ntoken="+keys.NewSecret("ztt_")+" two\n"), 0o600))
	found, err := s.InLogs(dir)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Contains(t, found[0], `/a.log holds a secret ztt_`)
	require.Contains(t, found[0], `after "token="`)
}
