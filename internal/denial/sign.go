package denial

import (
	"crypto/ed25519"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// text is what is signed. Its first line keeps it from being read as anything else that
// the same key signs: the first line of a checkpoint is the name of the key.
func (e Entry) text() []byte {
	return fmt.Appendf(nil, "grpccontroller denial v1\n%s\n%d\n", e.ID, e.SVIDNotBefore.Unix())
}

// Signer is the key of a controller's audit log; audit.Signer is it.
type Signer interface {
	SignText(text []byte) ([]byte, error)
}

// Sign returns e with its signature. It is the same each time.
func Sign(s Signer, e Entry) (Entry, error) {
	var err error
	if e.Signature, err = s.SignText(e.text()); err != nil {
		return e, fmt.Errorf("sign denial: %w", err)
	}
	return e, nil
}

// Genuine says whether the controller whose audit log has this key has signed e.
func Genuine(verifierKey string, e Entry) bool {
	if len(e.Signature) != ed25519.SignatureSize || len(verifierKey) > witness.MaxKey {
		return false
	}
	v, err := note.NewVerifier(verifierKey)
	return err == nil && v.Verify(e.text(), e.Signature)
}
