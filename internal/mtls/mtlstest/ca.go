package mtlstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net/url"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// CA is one authority of a trust domain, with its key in memory.
type CA struct {
	td   spiffeid.TrustDomain
	cert *x509.Certificate
	key  crypto.Signer
}

// NewCA makes a self-signed authority that lives for a day.
func NewCA(t testing.TB, td spiffeid.TrustDomain) *CA {
	t.Helper()
	key := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "test authority of " + td.Name()},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		URIs: []*url.URL{td.ID().URL()},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	return &CA{td: td, cert: parse(t, der), key: key}
}

// TrustDomain is the trust domain the authority belongs to.
func (c *CA) TrustDomain() spiffeid.TrustDomain { return c.td }

// Authority is the CA's own certificate.
func (c *CA) Authority() *x509.Certificate { return c.cert }

// PEM is the CA's own certificate as an operator would hand it out.
func (c *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})
}

// Bundle holds this one authority.
func (c *CA) Bundle() *x509bundle.Bundle {
	return x509bundle.FromX509Authorities(c.td, []*x509.Certificate{c.cert})
}

// Option spoils the template of an SVID before it is signed.
type Option func(*x509.Certificate)

// Expired makes an SVID that ended an hour ago.
func Expired() Option {
	return func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}
}

// Lifetime makes an SVID that ends d from now.
func Lifetime(d time.Duration) Option {
	return func(c *x509.Certificate) { c.NotAfter = time.Now().Add(d) }
}

// Since makes an SVID whose life begins at t.
func Since(t time.Time) Option {
	return func(c *x509.Certificate) { c.NotBefore = t }
}

// OnHost makes an SVID as SPIRE issues it to a member on this host.
func OnHost(host identity.HostID) Option {
	return func(c *x509.Certificate) { c.DNSNames = []string{host.SVIDName()} }
}

// HostOf is a host id for the member with this name, always the same one.
func HostOf(member string) identity.HostID {
	sum := sha256.Sum256([]byte(member))
	return identity.HostID(hex.EncodeToString(sum[:16]))
}

// WithURI adds a second URI SAN.
func WithURI(id string) Option {
	return func(c *x509.Certificate) { c.URIs = append(c.URIs, spiffeid.RequireFromString(id).URL()) }
}

// NameOnly moves the identity from the URI SAN to the common name and a DNS SAN,
// where a verifier must never look.
func NameOnly() Option {
	return func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames, c.URIs = c.URIs[0].String(), []string{c.URIs[0].Host}, nil
	}
}

// SVID issues an X509-SVID for any SPIFFE ID, also one of another trust domain.
// It lives for an hour.
func (c *CA) SVID(t testing.TB, id string, opts ...Option) *x509svid.SVID {
	t.Helper()
	sid := spiffeid.RequireFromString(id)
	tmpl := &x509.Certificate{
		URIs:        []*url.URL{sid.URL()},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, opt := range opts {
		opt(tmpl)
	}
	cert := c.Certificate(t, tmpl)
	key, ok := cert.PrivateKey.(crypto.Signer)
	require.True(t, ok)
	return &x509svid.SVID{ID: sid, Certificates: []*x509.Certificate{cert.Leaf}, PrivateKey: key}
}

// Certificate signs any template with a fresh P-256 key. Serial number and
// lifetime (5 min ago to an hour from now) are filled in where they are missing.
func (c *CA) Certificate(t testing.TB, tmpl *x509.Certificate) tls.Certificate {
	t.Helper()
	if tmpl.SerialNumber == nil {
		tmpl.SerialNumber = serial(t)
	}
	if tmpl.NotBefore.IsZero() {
		tmpl.NotBefore = time.Now().Add(-5 * time.Minute)
	}
	if tmpl.NotAfter.IsZero() {
		tmpl.NotAfter = time.Now().Add(time.Hour)
	}
	tmpl.BasicConstraintsValid = true
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, c.cert, key.Public(), c.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parse(t, der)}
}

// Sign issues a certificate for somebody else's key.
func (c *CA) Sign(t testing.TB, tmpl *x509.Certificate, pub crypto.PublicKey) []byte {
	t.Helper()
	tmpl.SerialNumber, tmpl.BasicConstraintsValid = serial(t), true
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-5*time.Minute), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, c.cert, pub, c.key)
	require.NoError(t, err)
	return der
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	require.NoError(t, err)
	return n
}

func parse(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}
