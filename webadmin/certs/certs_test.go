package certs_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/certs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func pair(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"c.example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	require.NoError(t, err)
	pk, err := x509.MarshalPKCS8PrivateKey(k)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})
}

func serial(t *testing.T, c *tls.Config) int64 {
	t.Helper()
	got, err := c.GetCertificate(&tls.ClientHelloInfo{ServerName: "c.example.com"})
	require.NoError(t, err)
	return got.Leaf.SerialNumber.Int64()
}

func TestFilesAreReadAgainWhenTheyChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write := func(cert, key []byte) {
		for path, content := range map[string][]byte{certFile: cert, keyFile: key} {
			require.NoError(t, os.WriteFile(path+".new", content, 0o600))
			require.NoError(t, os.Rename(path+".new", path))
		}
	}
	write(pair(t, 1))
	core, logs := observer.New(zapcore.InfoLevel)
	f, err := certs.Load(certFile, keyFile, zap.New(core))
	require.NoError(t, err)
	c := f.TLS()
	require.EqualValues(t, 1, serial(t, c))
	require.Equal(t, tls.NoClientCert, c.ClientAuth)

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-done)
	}()
	// The watch may begin after the first change; Run reads once it watches.
	write(pair(t, 2))
	require.Eventually(t, func() bool { return serial(t, c) == 2 }, 20*time.Second, 10*time.Millisecond)

	certOfOne, _ := pair(t, 3)
	_, keyOfAnother := pair(t, 4)
	write(certOfOne, keyOfAnother)
	failed := func() int {
		return logs.FilterMessage("admin certificate not reloaded, the old one stays in use").Len()
	}
	require.Eventually(t, func() bool { return failed() > 0 }, 20*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 2, serial(t, c), "a pair that does not fit leaves the old one in use")

	write(pair(t, 5))
	require.Eventually(t, func() bool { return serial(t, c) == 5 }, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, os.Remove(certFile))
	before := failed()
	require.Eventually(t, func() bool { return failed() > before }, 20*time.Second, 10*time.Millisecond)
	require.EqualValues(t, 5, serial(t, c))
}

func TestABrokenPairDoesNotStart(t *testing.T) {
	t.Parallel()
	_, err := certs.Load("/no/such.crt", "/no/such.key", zap.NewNop())
	require.ErrorContains(t, err, "admin.tls_cert")
}

func TestACMEAnswersForItsDomainsOnly(t *testing.T) {
	t.Parallel()
	c := certs.ACME(certs.ACMEConfig{Domains: []string{"c.example.com"}, DirectoryURL: "http://127.0.0.1:1/directory", Cache: t.TempDir()})
	require.Contains(t, c.NextProtos, "acme-tls/1")
	require.Equal(t, tls.NoClientCert, c.ClientAuth)
	for _, name := range []string{"evil.example", "", "192.0.2.1"} {
		_, err := c.GetCertificate(&tls.ClientHelloInfo{ServerName: name})
		require.Error(t, err, name)
	}
}
