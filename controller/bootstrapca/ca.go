package bootstrapca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

const (
	caLife       = 10 * 365 * 24 * time.Hour
	listenerLife = 90 * 24 * time.Hour
	hostLife     = 365 * 24 * time.Hour
	backdate     = 5 * time.Minute // for hosts whose clock is a little behind
)

// CA signs. Its keys are in files of mode 0600 in the controller's data directory. While
// it is being replaced there are two of it; see Stage.
type CA struct {
	td  spiffeid.TrustDomain
	dir string
	now func() time.Time

	mu       sync.Mutex
	anchors  []anchor // the first one signs
	nextKey  crypto.Signer
	crosses  []*x509.Certificate
	listener *tls.Certificate
}

// Open loads the CA in dir, or makes it at first start.
func Open(dir string, td spiffeid.TrustDomain, now func() time.Time) (*CA, error) {
	ca := &CA{td: td, dir: dir, now: now}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open bootstrap CA: %w", err)
	}
	if err := ca.load(); err != nil {
		return nil, fmt.Errorf("open bootstrap CA: %w", err)
	}
	return ca, nil
}

// CertificatePath is the PEM file of the anchors in force, which operators hand out as
// CONTROLLER_CA_PATH.
func (ca *CA) CertificatePath() string { return ca.path("ca.crt") }

// Certificate is that of the CA that signs.
func (ca *CA) Certificate() *x509.Certificate { return ca.Anchors()[0] }

// SignHost signs the host certificate for an x509pop attestation. A host is ended by
// banning its agent, not by expiry: one that slept for longer than its certificate lives
// renews it with its key.
func (ca *CA) SignHost(id identity.HostID, publicKey any) ([]byte, error) {
	pub, ok := publicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, errors.New("sign host certificate: the key is not ECDSA P-256")
	}
	ca.mu.Lock()
	defer ca.mu.Unlock()
	by := ca.anchors[0]
	return ca.sign(&x509.Certificate{
		Subject:   pkix.Name{CommonName: "host " + string(id)},
		NotBefore: ca.now().Add(-backdate), NotAfter: earlier(ca.now().Add(hostLife), by.cert.NotAfter),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{id.CertificateURI(ca.td)},
	}, by, pub)
}

// Due says that a host certificate is to be renewed: it is in the last third of its life,
// or the CA that signed it does not sign any more.
func (ca *CA) Due(host *x509.Certificate) bool {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	third := host.NotAfter.Sub(host.NotBefore) / 3
	return !ca.now().Before(host.NotAfter.Add(-third)) || host.CheckSignatureFrom(ca.anchors[0].cert) != nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (ca *CA) sign(template *x509.Certificate, by anchor, pub any) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	return x509.CreateCertificate(rand.Reader, template, by.cert, pub, by.key)
}

// ServerConfig is the TLS of the enrollment listener. A host that is enrolled may
// present its certificate; anybody else may come without one, never with a bad one.
// more are further CAs whose hosts are known.
func (ca *CA) ServerConfig(more ...*x509.Certificate) *tls.Config {
	base := ca.serverConfig()
	base.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := ca.serverConfig()
		for _, a := range more {
			c.ClientCAs.AddCert(a)
		}
		return c, nil
	}
	return base
}

// serverConfig is that of the anchors in force now.
func (ca *CA) serverConfig() *tls.Config {
	hosts := x509.NewCertPool()
	for _, a := range ca.Anchors() {
		hosts.AddCert(a)
	}
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true,
		ClientAuth:             tls.VerifyClientCertIfGiven,
		ClientCAs:              hosts,
		GetCertificate:         func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return ca.listenerCertificate() },
		// The chain was verified with clientAuth; the names are ours to check.
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) == 0 {
				return nil
			}
			_, err := identity.HostFromCertificate(cs.PeerCertificates[0], ca.td)
			return err
		},
	}
}

// listenerCertificate returns the listener's certificate, renewed in its last
// third. Its key is in memory only. With it go the cross certificates, by which a host
// that trusts a former CA only knows the listener too.
func (ca *CA) listenerCertificate() (*tls.Certificate, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	by := ca.anchors[0]
	if ca.listener != nil && ca.now().Before(ca.listener.Leaf.NotAfter.Add(-listenerLife/3)) {
		return ca.listener, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	name := identity.EnrollServerName(ca.td)
	now := ca.now()
	der, err := ca.sign(&x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: now.Add(-backdate), NotAfter: earlier(now.Add(listenerLife), by.cert.NotAfter),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{name},
	}, by, key.Public())
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	chain := [][]byte{der}
	for _, c := range ca.liveCrosses() {
		if ca.stage() != Prepared || c.CheckSignatureFrom(by.cert) != nil { // not the one that does not sign yet
			chain = append(chain, c.Raw)
		}
	}
	ca.listener = &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}
	return ca.listener, nil
}
