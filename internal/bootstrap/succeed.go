package bootstrap

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// MaxAnchors is how many bootstrap CAs a controller can offer, and how many cross
// certificates with them.
const MaxAnchors = 4

// ErrNotVouched refuses an anchor that none of the present ones knows.
var ErrNotVouched = errors.New("the controller offers a bootstrap CA that the present one does not vouch for")

// Successors are the anchors that a host takes in the place of its own, as a controller
// offers them in DER: each is one of its own, or one that its own vouch for by cross
// certificates. Whoever holds the key of the listener alone can give a host no anchor.
// Nothing offered is no change.
func Successors(own []*x509.Certificate, anchors, crosses [][]byte) ([]*x509.Certificate, error) {
	if len(anchors) == 0 {
		return own, nil
	}
	if len(anchors) > MaxAnchors || len(crosses) > MaxAnchors {
		return nil, fmt.Errorf("the controller offers %d bootstrap CAs and %d cross certificates: at most %d each are expected", len(anchors), len(crosses), MaxAnchors)
	}
	offered, err := parseAll(anchors)
	if err != nil {
		return nil, err
	}
	vouching, err := parseAll(crosses)
	if err != nil {
		return nil, err
	}
	for _, a := range offered {
		if !holds(own, a) && !vouched(own, vouching, a) {
			return nil, fmt.Errorf("%w: %s", ErrNotVouched, Fingerprint(a))
		}
	}
	return offered, nil
}

func parseAll(ders [][]byte) (out []*x509.Certificate, err error) {
	for _, der := range ders {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("bootstrap CA of the controller: %w", err)
		}
		if !c.IsCA || !c.BasicConstraintsValid {
			return nil, errors.New("the controller offers as bootstrap CA what is no CA certificate")
		}
		out = append(out, c)
	}
	return out, nil
}

func holds(all []*x509.Certificate, a *x509.Certificate) bool {
	for _, c := range all {
		if c.Equal(a) {
			return true
		}
	}
	return false
}

// vouched says that a cross certificate for the name and key of a chains to one of own.
// a must sign itself: only then is its key the one that the cross certificate names.
func vouched(own, crosses []*x509.Certificate, a *x509.Certificate) bool {
	if a.CheckSignatureFrom(a) != nil {
		return false
	}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range own {
		roots.AddCert(c)
	}
	for _, c := range crosses {
		between.AddCert(c)
	}
	for _, c := range crosses {
		if !bytes.Equal(c.RawSubjectPublicKeyInfo, a.RawSubjectPublicKeyInfo) || !bytes.Equal(c.RawSubject, a.RawSubject) {
			continue
		}
		if _, err := c.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
			return true
		}
	}
	return false
}

// Hash is how a host names an anchor that it trusts: SHA-256 over its DER.
func Hash(a *x509.Certificate) []byte {
	sum := sha256.Sum256(a.Raw)
	return sum[:]
}

// Fingerprint is Hash for people.
func Fingerprint(a *x509.Certificate) string { return fmt.Sprintf("%X", Hash(a)) }

// PEM is what an anchor file holds.
func PEM(anchors []*x509.Certificate) []byte {
	var out []byte
	for _, a := range anchors {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Raw})...)
	}
	return out
}
