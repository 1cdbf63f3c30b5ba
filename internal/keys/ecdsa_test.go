package keys_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

func TestKeyIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.key")
	_, err := keys.Load(path)
	require.ErrorIs(t, err, fs.ErrNotExist)
	made, err := keys.Make(path)
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	loaded, err := keys.Load(path)
	require.NoError(t, err)
	require.True(t, made.Equal(loaded))
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	pkcs8 := func(key any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		return der
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"what is no PEM":         {[]byte("x"), "holds no private key in PEM"},
		"a certificate":          {pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}), "holds no private key in PEM"},
		"what is no PKCS#8":      {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), "x.key: "},
		"a key of another curve": {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8(p384)}), "is not an ECDSA P-256 key"},
		"a key of another kind":  {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8(ed)}), "is not an ECDSA P-256 key"},
		"a file without an end":  {make([]byte, 64<<10+1), "larger than expected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "x.key")
			require.NoError(t, os.WriteFile(path, c.file, 0o600))
			_, err := keys.Load(path)
			require.ErrorContains(t, err, c.want)
		})
	}
}
