package certs_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
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

// site is a pair of files in use.
type site struct {
	*certs.Files
	dir, cert, key string
	tls            *tls.Config
	logs           *observer.ObservedLogs
	hangup         chan os.Signal
}

// serve loads the pair at these paths and runs until the test ends, in a bubble.
func serve(t *testing.T, cert, key string) *site {
	t.Helper()
	core, logs := observer.New(zapcore.InfoLevel)
	f, err := certs.Load(cert, key, zap.New(core))
	require.NoError(t, err)
	s := &site{Files: f, dir: filepath.Dir(cert), cert: cert, key: key, tls: f.TLS(), logs: logs, hangup: make(chan os.Signal)}
	require.Equal(t, tls.NoClientCert, s.tls.ClientAuth)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx, s.hangup) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return s
}

func (s *site) refused() int {
	return s.logs.FilterMessageSnippet("admin certificate not reloaded, the old one stays in use").Len()
}

func put(t *testing.T, path string, content []byte) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path+".new", content, 0o600))
	require.NoError(t, os.Rename(path+".new", path))
}

func putPair(t *testing.T, dir string, serial int64) {
	t.Helper()
	cert, key := pair(t, serial)
	put(t, filepath.Join(dir, "tls.crt"), cert)
	put(t, filepath.Join(dir, "tls.key"), key)
}

// later waits until the files were looked at again, twice.
func later() {
	<-time.After(25 * time.Second) // of the bubble
	synctest.Wait()
}

func TestFilesAreReadAgainWhenTheyChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	putPair(t, dir, 1)
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
		require.EqualValues(t, 1, serial(t, s.tls))
		putPair(t, dir, 2)
		later()
		require.EqualValues(t, 2, serial(t, s.tls))

		certOfOne, _ := pair(t, 3)
		_, keyOfAnother := pair(t, 4)
		put(t, s.cert, certOfOne)
		put(t, s.key, keyOfAnother)
		later()
		require.EqualValues(t, 2, serial(t, s.tls), "a pair that does not fit leaves the old one in use")
		require.Equal(t, 1, s.refused())
		require.ErrorContains(t, certs.Fault(s.Certificates(), time.Now()), "private key does not match public key: put a new pair of files")
		<-time.After(50 * time.Minute)
		synctest.Wait()
		require.Equal(t, 6, s.refused(), "once, then at growing intervals")

		putPair(t, dir, 5)
		later()
		require.NoError(t, certs.Fault(s.Certificates(), time.Now()))
		require.EqualValues(t, 5, serial(t, s.tls))
		require.NoError(t, os.Remove(s.cert))
		later()
		require.Equal(t, 7, s.refused())
		require.EqualValues(t, 5, serial(t, s.tls))
	})
}

func TestFilesAreReadAtOnceForASignal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	putPair(t, dir, 1)
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"))
		putPair(t, dir, 2)
		s.hangup <- syscall.SIGHUP
		synctest.Wait()
		require.EqualValues(t, 2, serial(t, s.tls))
		require.NoError(t, os.Remove(s.key))
		for range 2 {
			s.hangup <- syscall.SIGHUP
		}
		synctest.Wait()
		require.Equal(t, 2, s.refused(), "whoever asks gets an answer")
	})
}

func TestFilesAreReadWhateverSymbolicLinksLieBetween(t *testing.T) {
	t.Parallel()
	for name, layout := range map[string]func(t *testing.T, dir string) (cert, key string, replace func(serial int64)){
		"as Kubernetes mounts a secret": func(t *testing.T, dir string) (string, string, func(int64)) {
			t.Helper()
			replace := func(serial int64) {
				version := fmt.Sprintf("..%d", serial)
				require.NoError(t, os.Mkdir(filepath.Join(dir, version), 0o700))
				putPair(t, filepath.Join(dir, version), serial)
				require.NoError(t, os.Symlink(version, filepath.Join(dir, "..data_tmp")))
				require.NoError(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
			}
			replace(1)
			for _, name := range []string{"tls.crt", "tls.key"} {
				require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
			}
			return filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), replace
		},
		"a link to a file elsewhere": func(t *testing.T, dir string) (string, string, func(int64)) {
			t.Helper()
			archive, live := filepath.Join(dir, "archive"), filepath.Join(dir, "live")
			require.NoError(t, os.Mkdir(archive, 0o700))
			require.NoError(t, os.Mkdir(live, 0o700))
			putPair(t, archive, 1)
			for _, name := range []string{"tls.crt", "tls.key"} {
				require.NoError(t, os.Symlink(filepath.Join(archive, name), filepath.Join(live, name)))
			}
			return filepath.Join(live, "tls.crt"), filepath.Join(live, "tls.key"), func(serial int64) { putPair(t, archive, serial) }
		},
		"a directory that is a link": func(t *testing.T, dir string) (string, string, func(int64)) {
			t.Helper()
			replace := func(serial int64) {
				version := filepath.Join(dir, fmt.Sprint(serial))
				require.NoError(t, os.Mkdir(version, 0o700))
				putPair(t, version, serial)
				require.NoError(t, os.Symlink(version, filepath.Join(dir, "new")))
				require.NoError(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "current")))
			}
			replace(1)
			return filepath.Join(dir, "current", "tls.crt"), filepath.Join(dir, "current", "tls.key"), replace
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cert, key, replace := layout(t, t.TempDir())
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, cert, key)
				replace(2)
				later()
				require.EqualValues(t, 2, serial(t, s.tls))
				require.Zero(t, s.refused())
			})
		})
	}
}

func TestABrokenPairDoesNotStart(t *testing.T) {
	t.Parallel()
	_, err := certs.Load("/no/such.crt", "/no/such.key", zap.NewNop())
	require.ErrorContains(t, err, "admin.tls_cert")
}
