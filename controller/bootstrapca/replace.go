package bootstrapca

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// ErrStage is returned for a step that does not follow from the stage.
var ErrStage = errors.New("the bootstrap CA is at another stage of its replacement")

// Stage says how far the replacement is.
func (ca *CA) Stage() Stage {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return ca.stage()
}

// Activated says that the second anchor signs and the first is still trusted.
func (ca *CA) Activated() bool { return ca.Stage() == Activated }

// stage needs the lock. The second anchor is the one whose key is in next.key until it
// is the only one, so the order of the anchors says which of them signs.
func (ca *CA) stage() Stage {
	switch {
	case len(ca.anchors) < 2:
		return Idle
	case ca.anchors[0].key == ca.nextKey:
		return Activated
	default:
		return Prepared
	}
}

// Prepare makes the second anchor: a key, its certificate, and a cross certificate by
// which whoever trusts the first one knows the second. Again at Prepared it changes nothing.
func (ca *CA) Prepare() error {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	switch ca.stage() {
	case Prepared:
		return nil
	case Activated:
		return ErrStage
	case Idle:
	}
	key, err := keys.Load(ca.path(nextFile))
	if errors.Is(err, fs.ErrNotExist) {
		key, err = keys.Make(ca.path(nextFile))
	}
	if err != nil {
		return fmt.Errorf("prepare bootstrap CA: %w", err)
	}
	cert, err := ca.selfSigned(key, keyName(key))
	if err != nil {
		return fmt.Errorf("prepare bootstrap CA: %w", err)
	}
	old := ca.anchors[0]
	cross, err := ca.cross(old, cert)
	if err != nil {
		return fmt.Errorf("prepare bootstrap CA: %w", err)
	}
	crosses := append([]*x509.Certificate{cross}, ca.liveCrosses()...)
	crosses = crosses[:min(len(crosses), maxCrosses)]
	if err := writeCerts(ca.path(crossFile), crosses); err != nil {
		return fmt.Errorf("prepare bootstrap CA: %w", err)
	}
	if err := ca.put([]anchor{old, {cert, key}}); err != nil {
		return fmt.Errorf("prepare bootstrap CA: %w", err)
	}
	ca.nextKey, ca.crosses = key, crosses
	return nil
}

// Activate has the second anchor sign from now on. Again at Activated it changes nothing.
func (ca *CA) Activate() error {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	switch ca.stage() {
	case Activated:
		return nil
	case Idle:
		return ErrStage
	case Prepared:
	}
	return ca.put([]anchor{ca.anchors[1], ca.anchors[0]})
}

// Retire drops the anchor that does not sign any more, and its key. At Idle it changes
// nothing.
func (ca *CA) Retire() error {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	switch ca.stage() {
	case Idle:
		return nil
	case Prepared:
		return ErrStage
	case Activated:
	}
	if err := ca.put(ca.anchors[:1:1]); err != nil {
		return err
	}
	return ca.tidy()
}

// Abort drops the second anchor as long as it has signed nothing. At Idle it changes
// nothing.
func (ca *CA) Abort() error {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	switch ca.stage() {
	case Idle:
		return nil
	case Activated:
		return ErrStage
	case Prepared:
	}
	if err := ca.put(ca.anchors[:1:1]); err != nil {
		return err
	}
	if len(ca.crosses) > 0 {
		if err := ca.dropCross(); err != nil {
			return err
		}
	}
	return ca.tidy()
}

func (ca *CA) dropCross() error {
	ca.crosses = ca.crosses[1:]
	if len(ca.crosses) == 0 {
		return os.Remove(ca.path(crossFile))
	}
	return writeCerts(ca.path(crossFile), ca.crosses)
}

// cross has the old anchor vouch for the new one.
func (ca *CA) cross(old anchor, next *x509.Certificate) (*x509.Certificate, error) {
	end := next.NotAfter
	if old.cert.NotAfter.Before(end) {
		end = old.cert.NotAfter
	}
	der, err := ca.sign(&x509.Certificate{
		Subject: next.Subject, NotBefore: next.NotBefore, NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: next.SubjectKeyId,
	}, old, next.PublicKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// liveCrosses are those that somebody can still use. It needs the lock.
func (ca *CA) liveCrosses() []*x509.Certificate {
	var out []*x509.Certificate
	for _, c := range ca.crosses {
		if ca.now().Before(c.NotAfter) {
			out = append(out, c)
		}
	}
	return out
}

// Anchors are in force: the first one signs.
func (ca *CA) Anchors() []*x509.Certificate {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	out := make([]*x509.Certificate, 0, len(ca.anchors))
	for _, a := range ca.anchors {
		out = append(out, a.cert)
	}
	return out
}

// Crosses vouch for an anchor, each by the one before it: newest first. Whoever trusts a
// former anchor takes the present ones by them.
func (ca *CA) Crosses() []*x509.Certificate {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return ca.liveCrosses()
}

// selfSigned makes the certificate of a CA. serial distinguishes the subjects of two.
func (ca *CA) selfSigned(key crypto.Signer, serial string) (*x509.Certificate, error) {
	now := ca.now()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "bootstrap CA of " + ca.td.Name(), SerialNumber: serial},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := ca.sign(template, anchor{template, key}, key.Public())
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func keyName(key crypto.Signer) string {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return ""
	}
	return hex.EncodeToString(spki[len(spki)-8:])
}
