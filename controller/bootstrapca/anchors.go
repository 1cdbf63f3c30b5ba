package bootstrapca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Stage is how far the CA is in being replaced. It is read from the files, so that a
// program that was killed at any moment knows it.
type Stage string

// The stages, in their order; after Retire it is Idle again, with another CA.
const (
	Idle      Stage = "idle"
	Prepared  Stage = "prepared"  // a second anchor is there, the first one signs
	Activated Stage = "activated" // the second one signs, the first is still trusted
)

// anchor is one CA: its own certificate, and its key.
type anchor struct {
	cert *x509.Certificate
	key  crypto.Signer
}

const (
	keyFile   = "ca.key"
	nextFile  = "next.key"
	crossFile = "cross.crt"
	// maxFile has room for all certificates that there can be in one file.
	maxFile = 64 << 10
	// maxCrosses bounds the certificates that the listener shows beside its own.
	maxCrosses = 4
)

func (ca *CA) path(name string) string { return filepath.Join(ca.dir, name) }

// load reads the files. ca.crt alone says which stage it is: it is replaced in one
// rename, and both keys are there before and after.
func (ca *CA) load() error {
	certs, err := readCerts(ca.CertificatePath())
	if errors.Is(err, fs.ErrNotExist) {
		return ca.first()
	}
	if err != nil {
		return err
	}
	if ca.crosses, err = readCerts(ca.path(crossFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ours, err := loadKey(ca.path(keyFile))
	if err != nil {
		return err
	}
	next, err := keys.Load(ca.path(nextFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ca.anchors = nil
	for _, c := range certs {
		switch {
		case belong(ours, c):
			ca.anchors = append(ca.anchors, anchor{c, ours})
		case next != nil && belong(next, c):
			ca.anchors = append(ca.anchors, anchor{c, next})
		}
	}
	if len(ca.anchors) != len(certs) || len(certs) > 2 || len(certs) == 2 && ca.anchors[0].key == ca.anchors[1].key {
		return fmt.Errorf("%s and ca.key do not belong together", ca.CertificatePath())
	}
	if next != nil {
		ca.nextKey = next
	}
	return ca.tidy()
}

// tidy ends what a kill interrupted: the key of a CA that is no anchor any more goes.
func (ca *CA) tidy() error {
	if len(ca.anchors) != 1 || ca.nextKey == nil {
		return nil
	}
	next := ca.nextKey
	ca.nextKey = nil
	if belong(next, ca.anchors[0].cert) { // retired: next.key takes the place of the old one
		return os.Rename(ca.path(nextFile), ca.path(keyFile))
	}
	return os.Remove(ca.path(nextFile)) // prepared by half, or given up
}

// first makes the CA at first start, its key before its certificate: killed in
// between, the next start makes the certificate for that key.
func (ca *CA) first() error {
	key, err := loadKey(ca.path(keyFile))
	if errors.Is(err, fs.ErrNotExist) {
		key, err = keys.Make(ca.path(keyFile))
	}
	if err != nil {
		return err
	}
	cert, err := ca.selfSigned(key, "")
	if err != nil {
		return err
	}
	return ca.put([]anchor{{cert, key}})
}

func loadKey(path string) (crypto.Signer, error) {
	key, err := keys.Load(path)
	if err != nil {
		return nil, fmt.Errorf("%w: restore it from a backup", err)
	}
	return key, nil
}

func belong(key crypto.Signer, cert *x509.Certificate) bool {
	pub, ok := key.Public().(*ecdsa.PublicKey)
	return ok && pub.Equal(cert.PublicKey)
}

// put replaces ca.crt, which makes it so.
func (ca *CA) put(anchors []anchor) error {
	certs := make([]*x509.Certificate, 0, len(anchors))
	for _, a := range anchors {
		certs = append(certs, a.cert)
	}
	if err := writeCerts(ca.CertificatePath(), certs); err != nil {
		return err
	}
	ca.anchors, ca.listener = anchors, nil
	return nil
}

func readCerts(path string) (out []*x509.Certificate, err error) {
	raw, err := atomicfile.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s holds no certificate in PEM", path)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return out, nil
}

func writeCerts(path string, certs []*x509.Certificate) error {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return atomicfile.Write(path, out, 0o644)
}
