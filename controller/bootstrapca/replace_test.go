package bootstrapca_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
)

func pool(certs ...*x509.Certificate) *x509.CertPool {
	out := x509.NewCertPool()
	for _, c := range certs {
		out.AddCert(c)
	}
	return out
}

// hostOf signs a host certificate for the key.
func hostOf(t *testing.T, ca *bootstrapca.CA, key *ecdsa.PrivateKey) *tls.Certificate {
	t.Helper()
	der, err := ca.SignHost(hostID, key.Public())
	require.NoError(t, err)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parse(t, der)}
}

// seen is a handshake of a host that trusts these anchors and shows this certificate.
func seen(t *testing.T, ca *bootstrapca.CA, cert *tls.Certificate, trusts ...*x509.Certificate) error {
	t.Helper()
	c := bootstrap.ClientConfig(pool(trusts...), td, nil)
	if cert != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	_, err := handshake(t, ca.ServerConfig(), c)
	return err
}

// TestTheCAIsReplacedStepByStep: each step is opened again, as after a kill, and is
// repeated, and new hosts get in throughout.
func TestTheCAIsReplacedStepByStep(t *testing.T) {
	t.Parallel()
	dir, key := t.TempDir(), p256(t)
	ca := open(t, dir, time.Now)
	old := ca.Certificate()
	was := hostOf(t, ca, key)
	requireStage := func(want bootstrapca.Stage, signer *x509.Certificate, anchors int) {
		t.Helper()
		for _, c := range []*bootstrapca.CA{ca, open(t, dir, time.Now)} {
			require.Equal(t, want, c.Stage())
			require.Len(t, c.Anchors(), anchors)
			require.True(t, c.Certificate().Equal(signer))
			require.NoError(t, hostOf(t, c, key).Leaf.CheckSignatureFrom(signer))
			handed, err := bootstrap.LoadAnchors(c.CertificatePath())
			require.NoError(t, err)
			require.True(t, handed.Equal(pool(c.Anchors()...)), "what is handed out is what is in force")
			require.NoError(t, seen(t, c, hostOf(t, c, key), old), "a host that knows the old CA only")
			require.NoError(t, seen(t, c, nil, c.Anchors()...), "a host that enrolls now")
			ca = c
		}
	}
	requireStage(bootstrapca.Idle, old, 1)
	require.ErrorIs(t, ca.Activate(), bootstrapca.ErrStage)
	for range 2 {
		require.NoError(t, ca.Prepare())
		requireStage(bootstrapca.Prepared, old, 2)
	}
	next := ca.Anchors()[1]
	require.NotEqual(t, old.RawSubject, next.RawSubject, "a host shows its certificate to who knows its CA")
	require.ErrorIs(t, ca.Retire(), bootstrapca.ErrStage, "nothing is dropped before its successor signs")
	require.False(t, ca.Due(was.Leaf))
	for range 2 {
		require.NoError(t, ca.Activate())
		requireStage(bootstrapca.Activated, next, 2)
		require.NoError(t, seen(t, ca, was, next), "an old host certificate counts until it is renewed")
		require.NoError(t, seen(t, ca, nil, next), "the new anchor alone is enough")
	}
	require.True(t, ca.Due(was.Leaf), "of the CA that does not sign any more")
	require.False(t, ca.Due(hostOf(t, ca, key).Leaf))
	require.ErrorIs(t, ca.Prepare(), bootstrapca.ErrStage)
	require.ErrorIs(t, ca.Abort(), bootstrapca.ErrStage, "it has signed")
	for range 2 {
		require.NoError(t, ca.Retire())
		requireStage(bootstrapca.Idle, next, 1)
		require.Error(t, seen(t, ca, was, next), "an old host certificate counts no more")
	}
	require.NoFileExists(t, filepath.Join(dir, "next.key"))
	stored, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	require.NoError(t, err)
	block, _ := pem.Decode(stored)
	left, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	require.True(t, left.(*ecdsa.PrivateKey).PublicKey.Equal(next.PublicKey), "the old key is gone")
}

// TestWhoMissedEveryReplacementStillKnowsTheListener: each CA vouches for its successor.
func TestWhoMissedEveryReplacementStillKnowsTheListener(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := open(t, dir, time.Now)
	first := ca.Certificate()
	for range 3 {
		require.NoError(t, ca.Prepare())
		require.NoError(t, ca.Activate())
		require.NoError(t, ca.Retire())
		ca = open(t, dir, time.Now)
		require.NoError(t, seen(t, ca, nil, first))
		require.NoError(t, seen(t, ca, nil, ca.Certificate()))
	}
	stranger := open(t, t.TempDir(), time.Now)
	require.Error(t, seen(t, ca, nil, stranger.Certificate()), "and nobody else does")
	require.Error(t, seen(t, stranger, nil, first))
}

func TestAReplacementIsGivenUpBeforeItHasSigned(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := open(t, dir, time.Now)
	old := ca.Certificate()
	for range 2 {
		require.NoError(t, ca.Prepare())
		for range 2 {
			require.NoError(t, ca.Abort())
			require.Equal(t, bootstrapca.Idle, open(t, dir, time.Now).Stage())
		}
		require.True(t, ca.Certificate().Equal(old))
		require.Empty(t, ca.Crosses())
		require.NoFileExists(t, filepath.Join(dir, "next.key"))
	}
}

// TestAKillWithinAStepLosesNothing: the files as a kill between two writes leaves them.
func TestAKillWithinAStepLosesNothing(t *testing.T) {
	t.Parallel()
	file := func(dir, name string) string { return filepath.Join(dir, name) }
	start := func(t *testing.T) (string, *bootstrapca.CA, []byte) {
		t.Helper()
		dir := t.TempDir()
		ca := open(t, dir, time.Now)
		single, err := os.ReadFile(ca.CertificatePath())
		require.NoError(t, err)
		require.NoError(t, ca.Prepare())
		return dir, ca, single
	}
	t.Run("of Prepare, before the second anchor is there", func(t *testing.T) {
		t.Parallel()
		dir, ca, single := start(t)
		require.NoError(t, os.WriteFile(ca.CertificatePath(), single, 0o600))
		again := open(t, dir, time.Now)
		require.Equal(t, bootstrapca.Idle, again.Stage())
		require.NoFileExists(t, file(dir, "next.key"))
		require.NoError(t, again.Prepare())
		require.Equal(t, bootstrapca.Prepared, open(t, dir, time.Now).Stage())
		require.NoError(t, seen(t, again, nil, ca.Certificate()))
	})
	t.Run("of Retire, before the old key is gone", func(t *testing.T) {
		t.Parallel()
		dir, ca, _ := start(t)
		require.NoError(t, ca.Activate())
		next := ca.Certificate()
		require.NoError(t, os.WriteFile(ca.CertificatePath(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: next.Raw}), 0o600))
		again := open(t, dir, time.Now)
		require.Equal(t, bootstrapca.Idle, again.Stage())
		require.True(t, again.Certificate().Equal(next))
		require.NoFileExists(t, file(dir, "next.key"))
		require.Equal(t, bootstrapca.Idle, open(t, dir, time.Now).Stage(), "and once more")
	})
	for name, spoil := range map[string]func(t *testing.T, dir string){
		"the second key":   func(t *testing.T, dir string) { require.NoError(t, os.Remove(file(dir, "next.key"))) },
		"the first key":    func(t *testing.T, dir string) { require.NoError(t, os.Remove(file(dir, "ca.key"))) },
		"both keys' order": func(t *testing.T, dir string) { copyFile(t, file(dir, "ca.key"), file(dir, "next.key")) },
	} {
		t.Run("but it does not start without "+name, func(t *testing.T) {
			t.Parallel()
			dir, _, _ := start(t)
			spoil(t, dir)
			_, err := bootstrapca.Open(dir, td, time.Now)
			require.ErrorContains(t, err, "open bootstrap CA: ")
		})
	}
}

func TestAHostCertificateIsDueInItsLastThird(t *testing.T) {
	t.Parallel()
	c := newClock()
	ca := open(t, t.TempDir(), c.Now)
	host := hostOf(t, ca, p256(t)).Leaf
	for _, step := range []struct {
		after time.Duration
		due   bool
	}{{0, false}, {240 * day, false}, {4 * day, true}, {200 * day, true}} {
		c.Advance(step.after)
		require.Equal(t, step.due, ca.Due(host), step.after)
	}
	other := open(t, t.TempDir(), c.Now)
	require.True(t, other.Due(host), "of a CA that this one is not")
}

func TestNothingOutlivesTheCAThatSignedIt(t *testing.T) {
	t.Parallel()
	c := newClock()
	ca := open(t, t.TempDir(), c.Now)
	end := ca.Certificate().NotAfter
	c.Advance(3640 * day)
	require.Equal(t, end, hostOf(t, ca, p256(t)).Leaf.NotAfter)
	require.Equal(t, end, listener(t, ca).Leaf.NotAfter)
	require.NoError(t, ca.Prepare())
	require.Equal(t, end, ca.Crosses()[0].NotAfter)
	require.Equal(t, c.Now().Add(3650*day), ca.Anchors()[1].NotAfter)
}
