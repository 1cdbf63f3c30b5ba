package bootstrap_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLoadAnchors(t *testing.T) {
	t.Parallel()
	ca, next := mtlstest.NewCA(t, td), mtlstest.NewCA(t, td)
	leaf := ca.Certificate(t, listenerTemplate())

	t.Run("takes several certificates and several files", func(t *testing.T) {
		t.Parallel()
		third := mtlstest.NewCA(t, td)
		pool, err := bootstrap.LoadAnchors(write(t, append(ca.PEM(), next.PEM()...)), write(t, third.PEM()))
		require.NoError(t, err)
		want := x509.NewCertPool()
		for _, c := range []*mtlstest.CA{ca, next, third} {
			want.AddCert(c.Authority())
		}
		require.True(t, pool.Equal(want))
	})
	for name, content := range map[string][]byte{
		"that is empty":                 nil,
		"that is not PEM":               []byte("not a certificate"),
		"with text after the last one":  append(ca.PEM(), "-----BEGIN CERT"...),
		"with a leaf certificate":       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Certificate[0]}),
		"with a private key beside":     append(ca.PEM(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})...),
		"with a broken certificate":     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}),
		"larger than any CA could make": make([]byte, 2<<20),
	} {
		t.Run("refuses a file "+name, func(t *testing.T) {
			t.Parallel()
			_, err := bootstrap.LoadAnchors(write(t, content))
			require.ErrorContains(t, err, "bootstrap CA ")
		})
	}
	t.Run("says what to check when the file is missing", func(t *testing.T) {
		t.Parallel()
		_, err := bootstrap.LoadAnchors(filepath.Join(t.TempDir(), "none"))
		require.ErrorContains(t, err, "check CONTROLLER_CA_PATH")
		_, err = bootstrap.LoadAnchors()
		require.ErrorContains(t, err, "CONTROLLER_CA_PATH")
	})
}

func TestClientConfig(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	anchors := x509.NewCertPool()
	anchors.AddCert(ca.Authority())
	host := identity.NewHostID()

	require.NoError(t, handshake(t, ca.Certificate(t, listenerTemplate()), bootstrap.ClientConfig(anchors, td, nil)))

	hostTemplate := func() *x509.Certificate {
		return &x509.Certificate{
			URIs: []*url.URL{host.CertificateURI(td)}, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}
	}
	withName := hostTemplate()
	withName.DNSNames = []string{identity.EnrollServerName(td)}
	wrongName := listenerTemplate()
	wrongName.DNSNames = []string{"localhost", "enroll.other.internal"}
	nameInCN := listenerTemplate()
	nameInCN.Subject.CommonName, nameInCN.DNSNames = identity.EnrollServerName(td), nil

	for name, cert := range map[string]tls.Certificate{
		"a host certificate": ca.Certificate(t, hostTemplate()),
		"a clientAuth certificate with the listener's name": ca.Certificate(t, withName),
		"a listener certificate with another name":          ca.Certificate(t, wrongName),
		"the name in the common name only":                  ca.Certificate(t, nameInCN),
		"a listener certificate of another CA":              mtlstest.NewCA(t, td).Certificate(t, listenerTemplate()),
	} {
		t.Run("refuses as listener "+name, func(t *testing.T) {
			t.Parallel()
			require.Error(t, handshake(t, cert, bootstrap.ClientConfig(anchors, td, nil)))
		})
	}
	t.Run("shows the host certificate when asked", func(t *testing.T) {
		t.Parallel()
		hostCert := ca.Certificate(t, hostTemplate())
		require.NoError(t, handshake(t, ca.Certificate(t, listenerTemplate()), bootstrap.ClientConfig(anchors, td, &hostCert)))
	})
}

func listenerTemplate() *x509.Certificate {
	return &x509.Certificate{
		DNSNames: []string{identity.EnrollServerName(td)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

// handshake runs one TLS handshake over a pipe and returns the client's error.
func handshake(t *testing.T, cert tls.Certificate, client *tls.Config) error {
	t.Helper()
	near, far := net.Pipe()
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv := tls.Server(far, &tls.Config{
			Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS13,
			SessionTicketsDisabled: true, // a ticket nobody reads would block the pipe
		})
		_ = srv.HandshakeContext(context.Background())
		if got := srv.ConnectionState().PeerCertificates; len(client.Certificates) > 0 && len(got) != 1 {
			t.Errorf("the listener saw %d certificates, expected the host's", len(got))
		}
		_ = far.Close()
	}()
	err := tls.Client(near, client).HandshakeContext(t.Context())
	_ = near.Close()
	<-served
	return err
}

func write(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.crt")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}
