package install

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Key is the release key: it signs SHA256SUMS. Hosts keep its public half from
// their first installation and refuse another one.
type Key struct {
	private *ecdsa.PrivateKey
	public  []byte // PKIX, DER
	// Made is set when there was no key file, so that this one is new to all hosts.
	Made bool
}

// OpenKey loads the release key at path, or makes it at first start.
func OpenKey(path string) (*Key, error) {
	k := &Key{}
	var err error
	k.private, err = keys.Load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k.Made = true
		if k.private, err = keys.Make(path); err != nil {
			return nil, fmt.Errorf("make release key: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("open release key: %w: restore it from a backup", err)
	}
	if k.public, err = x509.MarshalPKIXPublicKey(k.private.Public()); err != nil {
		return nil, fmt.Errorf("open release key: %w", err)
	}
	return k, nil
}

// Public is the public half in PEM, release.pub.
func (k *Key) Public() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.public})
}

// Fingerprint is the SHA-256 of the public half (PKIX, DER) in hex.
func (k *Key) Fingerprint() string {
	sum := sha256.Sum256(k.public)
	return hex.EncodeToString(sum[:])
}

// sign makes what `openssl dgst -sha256 -verify` reads.
func (k *Key) sign(text []byte) ([]byte, error) {
	sum := sha256.Sum256(text)
	return ecdsa.SignASN1(rand.Reader, k.private, sum[:])
}
