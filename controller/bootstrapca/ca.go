package bootstrapca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keyfile"
)

const (
	caLife       = 10 * 365 * 24 * time.Hour
	listenerLife = 90 * 24 * time.Hour
	backdate     = 5 * time.Minute // for hosts whose clock is a little behind
)

// CA signs. Its key is in a file of mode 0600 in the controller's data directory.
type CA struct {
	td   spiffeid.TrustDomain
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
	now  func() time.Time

	mu       sync.Mutex
	listener *tls.Certificate
}

// Open loads the CA in dir, or makes it at first start.
func Open(dir string, td spiffeid.TrustDomain, now func() time.Time) (*CA, error) {
	ca := &CA{td: td, dir: dir, now: now}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open bootstrap CA: %w", err)
	}
	// The key first: killed in between, the next start makes the certificate for it.
	if err := ca.loadKey(); err != nil {
		return nil, fmt.Errorf("open bootstrap CA: %w", err)
	}
	if err := ca.loadCertificate(); err != nil {
		return nil, fmt.Errorf("open bootstrap CA: %w", err)
	}
	return ca, nil
}

// CertificatePath is the PEM file that operators hand out as CONTROLLER_CA_PATH.
func (ca *CA) CertificatePath() string { return filepath.Join(ca.dir, "ca.crt") }

// Certificate is the CA's own certificate.
func (ca *CA) Certificate() *x509.Certificate { return ca.cert }

func (ca *CA) loadKey() error {
	file := filepath.Join(ca.dir, "ca.key")
	key, err := keyfile.Load(file)
	if errors.Is(err, fs.ErrNotExist) {
		return ca.makeKey(file)
	}
	if err != nil {
		return fmt.Errorf("%w: restore it from a backup", err)
	}
	ca.key = key
	return nil
}

func (ca *CA) makeKey(file string) error {
	if _, err := os.Stat(ca.CertificatePath()); err == nil {
		return fmt.Errorf("%s is missing but its certificate exists: restore it from a backup", file)
	}
	key, err := keyfile.Make(file)
	if err != nil {
		return err
	}
	ca.key = key
	return nil
}

func (ca *CA) loadCertificate() error {
	raw, err := atomicfile.Read(ca.CertificatePath(), 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return ca.makeCertificate()
	}
	if err != nil {
		return err
	}
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != "CERTIFICATE" {
		return fmt.Errorf("%s holds no certificate in PEM", ca.CertificatePath())
	}
	if ca.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		return fmt.Errorf("%s: %w", ca.CertificatePath(), err)
	}
	if !ca.key.Public().(*ecdsa.PublicKey).Equal(ca.cert.PublicKey) {
		return fmt.Errorf("%s and ca.key do not belong together", ca.CertificatePath())
	}
	return nil
}

func (ca *CA) makeCertificate() error {
	now := ca.now()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "bootstrap CA of " + ca.td.Name()},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := ca.sign(template, template, ca.key.Public())
	if err != nil {
		return err
	}
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return atomicfile.Write(ca.CertificatePath(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

// SignHost signs the host certificate for an x509pop attestation. It lives as
// long as the CA: a host is ended by banning its agent, not by expiry, so that a
// laptop can sleep for any time.
func (ca *CA) SignHost(id identity.HostID, publicKey any) ([]byte, error) {
	pub, ok := publicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, errors.New("sign host certificate: the key is not ECDSA P-256")
	}
	return ca.sign(&x509.Certificate{
		Subject:   pkix.Name{CommonName: "host " + string(id)},
		NotBefore: ca.now().Add(-backdate), NotAfter: ca.cert.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{id.CertificateURI(ca.td)},
	}, ca.cert, pub)
}

func (ca *CA) sign(template, parent *x509.Certificate, pub any) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial.Add(serial, big.NewInt(1))
	return x509.CreateCertificate(rand.Reader, template, parent, pub, ca.key)
}

// ServerConfig is the TLS of the enrollment listener. A host that is enrolled may
// present its certificate; anybody else may come without one, never with a bad one.
func (ca *CA) ServerConfig() *tls.Config {
	hosts := x509.NewCertPool()
	hosts.AddCert(ca.cert)
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
// third. Its key is in memory only.
func (ca *CA) listenerCertificate() (*tls.Certificate, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
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
		NotBefore: now.Add(-backdate), NotAfter: now.Add(listenerLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{name},
	}, ca.cert, key.Public())
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	ca.listener = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
	return ca.listener, nil
}
