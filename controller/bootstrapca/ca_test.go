package bootstrapca_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/bootstrapca"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

const (
	day      = 24 * time.Hour
	hostID   = identity.HostID("0123456789abcdef0123456789abcdef")
	backdate = 5 * time.Minute
)

func newClock() *hosttest.Clock { return hosttest.NewClock(time.Now().UTC().Truncate(time.Second)) }

func open(t *testing.T, dir string, now func() time.Time) *bootstrapca.CA {
	t.Helper()
	ca, err := bootstrapca.Open(dir, td, now)
	require.NoError(t, err)
	return ca
}

func p256(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func parse(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

func listener(t *testing.T, ca *bootstrapca.CA) *tls.Certificate {
	t.Helper()
	cert, err := ca.ServerConfig().GetCertificate(nil)
	require.NoError(t, err)
	return cert
}

func anchors(ca *bootstrapca.CA) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate())
	return pool
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	c := newClock()
	ca := open(t, t.TempDir(), c.Now)
	key := p256(t)
	der, err := ca.SignHost(hostID, key.Public())
	require.NoError(t, err)
	root, host, lis := ca.Certificate(), parse(t, der), listener(t, ca).Leaf
	noNames := func(t *testing.T, c *x509.Certificate) {
		t.Helper()
		require.Empty(t, c.IPAddresses)
		require.Empty(t, c.EmailAddresses)
		require.Empty(t, c.ExtraExtensions)
		require.Empty(t, c.UnknownExtKeyUsage)
	}

	t.Run("of the CA", func(t *testing.T) {
		t.Parallel()
		noNames(t, root)
		require.True(t, root.IsCA)
		require.Equal(t, -1, root.MaxPathLen, "its successor is known by it")
		require.Equal(t, x509.KeyUsageCertSign|x509.KeyUsageCRLSign, root.KeyUsage)
		require.Empty(t, root.ExtKeyUsage)
		require.Empty(t, root.URIs)
		require.Empty(t, root.DNSNames)
		require.Equal(t, "bootstrap CA of mycorp.internal", root.Subject.CommonName)
		require.Equal(t, c.Now().Add(-backdate), root.NotBefore)
		require.Equal(t, c.Now().Add(3650*day), root.NotAfter)
		require.NoError(t, root.CheckSignatureFrom(root))
		require.Equal(t, elliptic.P256(), root.PublicKey.(*ecdsa.PublicKey).Curve)
	})
	t.Run("of a host", func(t *testing.T) {
		t.Parallel()
		noNames(t, host)
		require.False(t, host.IsCA)
		require.Equal(t, x509.KeyUsageDigitalSignature, host.KeyUsage)
		require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, host.ExtKeyUsage)
		require.Empty(t, host.DNSNames)
		require.Len(t, host.URIs, 1)
		require.Equal(t, "x509pop://mycorp.internal/host/"+string(hostID), host.URIs[0].String())
		require.Equal(t, c.Now().Add(-backdate), host.NotBefore)
		require.Equal(t, c.Now().Add(365*day), host.NotAfter, "renewed by its key, however late")
		require.True(t, key.PublicKey.Equal(host.PublicKey))
		require.Equal(t, root.SubjectKeyId, host.AuthorityKeyId)
		got, err := identity.HostFromCertificate(host, td)
		require.NoError(t, err)
		require.Equal(t, hostID, got)
	})
	t.Run("of the listener", func(t *testing.T) {
		t.Parallel()
		noNames(t, lis)
		require.False(t, lis.IsCA)
		require.Equal(t, x509.KeyUsageDigitalSignature, lis.KeyUsage)
		require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, lis.ExtKeyUsage)
		require.Equal(t, []string{"enroll.mycorp.internal"}, lis.DNSNames)
		require.Empty(t, lis.URIs)
		require.Equal(t, c.Now().Add(-backdate), lis.NotBefore)
		require.Equal(t, c.Now().Add(90*day), lis.NotAfter)
		_, err := identity.HostFromCertificate(lis, td)
		require.ErrorIs(t, err, identity.ErrNotHostCertificate)
	})
	t.Run("cannot stand in for one another", func(t *testing.T) {
		t.Parallel()
		verify := func(c *x509.Certificate, usage x509.ExtKeyUsage, name string) error {
			_, err := c.Verify(x509.VerifyOptions{Roots: anchors(ca), KeyUsages: []x509.ExtKeyUsage{usage}, DNSName: name})
			return err
		}
		require.NoError(t, verify(host, x509.ExtKeyUsageClientAuth, ""))
		require.Error(t, verify(host, x509.ExtKeyUsageServerAuth, ""))
		require.NoError(t, verify(lis, x509.ExtKeyUsageServerAuth, "enroll.mycorp.internal"))
		require.Error(t, verify(lis, x509.ExtKeyUsageClientAuth, ""))
		require.Error(t, verify(lis, x509.ExtKeyUsageServerAuth, "mycorp.internal"))
	})
	t.Run("have serial numbers that nobody can guess", func(t *testing.T) {
		t.Parallel()
		seen := map[string]bool{}
		for range 20 {
			der, err := ca.SignHost(hostID, key.Public())
			require.NoError(t, err)
			n := parse(t, der).SerialNumber
			require.Positive(t, n.Sign())
			require.LessOrEqual(t, len(n.Bytes()), 20, "RFC 5280, 4.1.2.2")
			seen[n.String()] = true
		}
		require.Len(t, seen, 20)
	})
}

func TestSignHostRefusesOtherKeys(t *testing.T) {
	t.Parallel()
	ca := open(t, t.TempDir(), time.Now)
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	big, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	ed, _, err := ed25519.GenerateKey(rand.Reader) // SPIRE's x509pop rejects it
	require.NoError(t, err)
	for name, key := range map[string]any{
		"RSA": weak.Public(), "P-384": big.Public(), "Ed25519": ed, "a private key": p256(t), "nothing": nil, "text": "key",
	} {
		_, err := ca.SignHost(hostID, key)
		require.ErrorContains(t, err, "not ECDSA P-256", name)
	}
}

func write(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return der
}

func TestOpen(t *testing.T) {
	t.Parallel()
	t.Run("keeps the key to itself", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "bootstrap")
		ca := open(t, dir, time.Now)
		for file, mode := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, "ca.key"): 0o600, ca.CertificatePath(): 0o644} {
			info, err := os.Stat(file)
			require.NoError(t, err)
			require.Equal(t, mode, info.Mode(), file)
		}
		files, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, files, 2, "nothing is left over")
		pool, err := bootstrap.LoadAnchors(ca.CertificatePath())
		require.NoError(t, err, "its file is what CONTROLLER_CA_PATH names")
		require.True(t, pool.Equal(anchors(ca)))
	})
	t.Run("again finds the same CA", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		first := open(t, dir, time.Now)
		der, err := first.SignHost(hostID, p256(t).Public())
		require.NoError(t, err)
		second := open(t, dir, func() time.Time { return time.Now().Add(time.Hour) })
		require.True(t, first.Certificate().Equal(second.Certificate()))
		require.NoError(t, parse(t, der).CheckSignatureFrom(second.Certificate()))
	})
	t.Run("after a crash between key and certificate makes the certificate for that key", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		first := open(t, dir, time.Now)
		require.NoError(t, os.Remove(first.CertificatePath()))
		second := open(t, dir, time.Now)
		require.Equal(t, first.Certificate().PublicKey, second.Certificate().PublicKey)
		require.FileExists(t, second.CertificatePath())
	})

	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		spoil func(t *testing.T, key, cert string)
		want  string
	}{
		"whose key is gone":             {func(t *testing.T, key, _ string) { require.NoError(t, os.Remove(key)) }, "restore it from a backup"},
		"whose key is empty":            {func(t *testing.T, key, _ string) { require.NoError(t, os.WriteFile(key, nil, 0o600)) }, "no private key in PEM"},
		"whose key is a certificate":    {func(t *testing.T, key, cert string) { copyFile(t, cert, key) }, "no private key in PEM"},
		"whose key is garbage":          {func(t *testing.T, key, _ string) { write(t, key, "PRIVATE KEY", []byte("garbage")) }, "ca.key"},
		"whose key is RSA":              {func(t *testing.T, key, _ string) { write(t, key, "PRIVATE KEY", pkcs8(t, rsaKey)) }, "not an ECDSA"},
		"whose key is P-384":            {func(t *testing.T, key, _ string) { write(t, key, "PRIVATE KEY", pkcs8(t, p384)) }, "not an ECDSA P-256"},
		"whose key is another's":        {func(t *testing.T, key, _ string) { write(t, key, "PRIVATE KEY", pkcs8(t, p256(t))) }, "do not belong together"},
		"whose key is enormous":         {func(t *testing.T, key, _ string) { require.NoError(t, os.Truncate(key, 1<<20)) }, "larger than expected"},
		"whose certificate is empty":    {func(t *testing.T, _, cert string) { require.NoError(t, os.WriteFile(cert, nil, 0o600)) }, "no certificate in PEM"},
		"whose certificate is garbage":  {func(t *testing.T, _, cert string) { write(t, cert, "CERTIFICATE", []byte("garbage")) }, "ca.crt"},
		"whose certificate is its key":  {func(t *testing.T, key, cert string) { copyFile(t, key, cert) }, "no certificate in PEM"},
		"whose certificate is a host's": {func(t *testing.T, _, cert string) { write(t, cert, "CERTIFICATE", selfSigned(t).Raw) }, "do not belong together"},
	} {
		t.Run("refuses a CA "+name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ca := open(t, dir, time.Now)
			key := filepath.Join(dir, "ca.key")
			c.spoil(t, key, ca.CertificatePath())
			before, _ := os.ReadFile(ca.CertificatePath())
			_, err := bootstrapca.Open(dir, td, time.Now)
			require.ErrorContains(t, err, "open bootstrap CA: ")
			require.ErrorContains(t, err, c.want)
			after, _ := os.ReadFile(ca.CertificatePath())
			require.Equal(t, before, after, "nothing is made anew in its place")
		})
	}
	t.Run("refuses a directory it cannot make", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		_, err := bootstrapca.Open(filepath.Join(file, "bootstrap"), td, time.Now)
		require.ErrorContains(t, err, "open bootstrap CA: ")
	})
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	raw, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, raw, 0o600))
}

func selfSigned(t *testing.T) *x509.Certificate {
	t.Helper()
	key := p256(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), URIs: []*url.URL{hostID.CertificateURI(td)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	return parse(t, der)
}

// TestListenerIsRenewed in its last third, by the handshake that finds it old.
func TestListenerIsRenewed(t *testing.T) {
	t.Parallel()
	c := newClock()
	ca := open(t, t.TempDir(), c.Now)
	first := listener(t, ca)
	c.Advance(60*day - time.Second)
	require.Same(t, first, listener(t, ca), "the same until its last third")
	c.Advance(time.Second)
	second := listener(t, ca)
	require.NotEqual(t, first.Leaf.SerialNumber, second.Leaf.SerialNumber)
	require.Equal(t, c.Now().Add(90*day), second.Leaf.NotAfter)
	require.NotEqual(t, first.PrivateKey, second.PrivateKey, "with a key of its own")
	require.Same(t, second, listener(t, ca))
	c.Advance(400 * day)
	require.True(t, listener(t, ca).Leaf.NotAfter.After(c.Now()), "after a long sleep too")
	_, err := second.Leaf.Verify(x509.VerifyOptions{Roots: anchors(ca), CurrentTime: second.Leaf.NotBefore})
	require.NoError(t, err)

	var wg sync.WaitGroup
	c.Advance(400 * day)
	got := make(chan *tls.Certificate, 8)
	for range cap(got) {
		wg.Go(func() {
			cert, err := ca.ServerConfig().GetCertificate(nil)
			if err != nil {
				t.Error(err)
			}
			got <- cert
		})
	}
	wg.Wait()
	one := <-got
	for range cap(got) - 1 {
		require.Same(t, one, <-got, "one renewal, however many handshakes")
	}
}

// handshake runs one over loopback TCP and returns both verdicts.
func handshake(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = lis.Close() }()
	served := make(chan error, 1)
	go func() {
		conn, err := lis.Accept()
		if err != nil {
			served <- err
			return
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		srv := tls.Server(conn, server)
		if err := srv.HandshakeContext(context.WithoutCancel(t.Context())); err != nil {
			served <- err
			return
		}
		_, err = srv.Write([]byte{1})
		served <- err
	}()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", lis.Addr().String())
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	cl := tls.Client(conn, client)
	if clientErr = cl.HandshakeContext(t.Context()); clientErr == nil {
		_, clientErr = cl.Read(make([]byte, 1))
	} else {
		_ = conn.Close()
	}
	return <-served, clientErr
}

// showing presents this certificate whether or not the listener asked for its issuer.
func showing(ca *bootstrapca.CA, cert *tls.Certificate) *tls.Config {
	c := bootstrap.ClientConfig(anchors(ca), td, nil)
	if cert != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	return c
}

// TestNoSessionOfTheEnrollmentListenerIsResumed: a resumed one shows the certificate of
// the first, without a look at what has ended since.
func TestNoSessionOfTheEnrollmentListenerIsResumed(t *testing.T) {
	t.Parallel()
	ca, err := bootstrapca.Open(t.TempDir(), td, time.Now)
	require.NoError(t, err)
	require.True(t, ca.ServerConfig().SessionTicketsDisabled)
	require.Equal(t, uint16(tls.VersionTLS13), ca.ServerConfig().MinVersion)
	require.Equal(t, tls.VerifyClientCertIfGiven, ca.ServerConfig().ClientAuth)
}

func TestServerConfig(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca := open(t, dir, time.Now)
	key := p256(t)
	hostCert := func(t *testing.T, by *bootstrapca.CA, host identity.HostID) *tls.Certificate {
		t.Helper()
		der, err := by.SignHost(host, key.Public())
		require.NoError(t, err)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	for name, cert := range map[string]*tls.Certificate{
		"nothing":            nil,
		"a host certificate": hostCert(t, ca, hostID),
	} {
		t.Run("accepts a client that shows "+name, func(t *testing.T) {
			t.Parallel()
			serverErr, clientErr := handshake(t, ca.ServerConfig(), showing(ca, cert))
			require.NoError(t, serverErr)
			require.NoError(t, clientErr)
		})
	}

	// Whatever else the CA's key ever signed must not open the door.
	signed := func(t *testing.T, change func(*x509.Certificate)) *tls.Certificate {
		t.Helper()
		tmpl := &x509.Certificate{
			SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "host " + string(hostID)},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, URIs: []*url.URL{hostID.CertificateURI(td)},
		}
		change(tmpl)
		der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.Certificate(), key.Public(), caKey(t, dir))
		require.NoError(t, err)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	uris := func(raw ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.URIs = nil
			for _, r := range raw {
				u, err := url.Parse(r)
				require.NoError(t, err)
				c.URIs = append(c.URIs, u)
			}
		}
	}
	good := "x509pop://mycorp.internal/host/" + string(hostID)
	other := open(t, t.TempDir(), time.Now)
	stolen := hostCert(t, ca, hostID)
	stolen.PrivateKey = p256(t)
	beside := hostCert(t, other, hostID)
	beside.Certificate = append(beside.Certificate, hostCert(t, ca, hostID).Certificate...)
	for name, cert := range map[string]*tls.Certificate{
		"the listener's certificate":                    listener(t, ca),
		"a host certificate of another CA":              hostCert(t, other, hostID),
		"another CA's with a good one beside it":        beside,
		"a host certificate whose key it does not hold": stolen,
		"a host id that is no host id":                  hostCert(t, ca, "short"),
		"no URI":                                        signed(t, uris()),
		"two URIs":                                      signed(t, uris(good, good)),
		"an X509-SVID's URI":                            signed(t, uris("spiffe://mycorp.internal/connector/c-01")),
		"a host of another trust domain":                signed(t, uris("x509pop://evil.internal/host/"+string(hostID))),
		"a host URI with a port":                        signed(t, uris("x509pop://mycorp.internal:1/host/"+string(hostID))),
		"a host URI with a query":                       signed(t, uris(good+"?x")),
		"a host URI with a fragment":                    signed(t, uris(good+"#x")),
		"a host URI with a user":                        signed(t, uris("x509pop://u@mycorp.internal/host/"+string(hostID))),
		"a host URI with one more segment":              signed(t, uris(good+"/x")),
		"a host URI that is escaped":                    signed(t, uris("x509pop://mycorp.internal/%68ost/"+string(hostID))),
		"a DNS name beside its URI":                     signed(t, func(c *x509.Certificate) { c.DNSNames = []string{"enroll.mycorp.internal"} }),
		"an IP address beside its URI":                  signed(t, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }),
		"an address for mail beside its URI":            signed(t, func(c *x509.Certificate) { c.EmailAddresses = []string{"a@b"} }),
		"serverAuth instead of clientAuth":              signed(t, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
		"an expired host certificate":                   signed(t, func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
		"a host certificate that is not valid yet":      signed(t, func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }),
	} {
		t.Run("refuses a client that shows "+name, func(t *testing.T) {
			t.Parallel()
			serverErr, clientErr := handshake(t, ca.ServerConfig(), showing(ca, cert))
			require.Error(t, serverErr)
			require.Error(t, clientErr)
		})
	}
	t.Run("refuses TLS 1.2", func(t *testing.T) {
		t.Parallel()
		old := showing(ca, nil)
		old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		serverErr, _ := handshake(t, ca.ServerConfig(), old)
		require.ErrorContains(t, serverErr, "version")
	})
}

func caKey(t *testing.T, dir string) crypto.Signer {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	require.NoError(t, err)
	block, _ := pem.Decode(raw)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	return key.(crypto.Signer)
}
