package bootstrap

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// maxAnchorFile bounds what is read into memory when the path names the wrong
// file; a CA certificate has about 1 KiB.
const maxAnchorFile = 1 << 20

// ErrNoAnchor is returned for a file without a CA certificate in PEM.
var ErrNoAnchor = errors.New("holds no CA certificate in PEM: check that CONTROLLER_CA_PATH names the controller's ca.crt")

// LoadAnchors reads the certificates of the bootstrap CA from PEM files. Several
// files, or several certificates in one, let the CA be replaced without a day on
// which half of the hosts cannot enroll.
func LoadAnchors(paths ...string) (*x509.CertPool, error) {
	if len(paths) == 0 {
		return nil, errors.New("no bootstrap CA given: set CONTROLLER_CA_PATH to the controller's ca.crt")
	}
	certs, err := ReadAnchors(paths...)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool, nil
}

// ReadAnchors reads the certificates of all files.
func ReadAnchors(paths ...string) (out []*x509.Certificate, err error) {
	for _, path := range paths {
		certs, err := readAnchors(path)
		if err != nil {
			return nil, fmt.Errorf("bootstrap CA %s: %w: check CONTROLLER_CA_PATH", path, err)
		}
		out = append(out, certs...)
	}
	return out, nil
}

func readAnchors(path string) ([]*x509.Certificate, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	raw, err := io.ReadAll(io.LimitReader(f, maxAnchorFile+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxAnchorFile {
		return nil, ErrNoAnchor
	}
	return parseAnchors(raw)
}

// parseAnchors is strict: a leaf in this file would be an anchor for itself, and
// a private key in it is a mistake to stop at, not to skip.
func parseAnchors(raw []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		block, raw = pem.Decode(raw)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %q block, expected certificates only", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if !c.IsCA {
			return nil, fmt.Errorf("certificate %q is not a CA certificate", c.Subject)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 || len(bytes.TrimSpace(raw)) != 0 {
		return nil, ErrNoAnchor
	}
	return certs, nil
}

// ClientConfig is for dialing the enrollment listener. The standard verification
// does it all: chain to the anchors, serverAuth, and the fixed name of the
// listener, so that every address of a controller works. host is the host
// certificate of an enrolled host, or nil.
func ClientConfig(anchors *x509.CertPool, td spiffeid.TrustDomain, host *tls.Certificate) *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    anchors,
		ServerName: identity.EnrollServerName(td),
	}
	if host != nil {
		c.Certificates = []tls.Certificate{*host}
	}
	return c
}
