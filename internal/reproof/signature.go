package reproof

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
)

// ErrSignature is returned for a signature that the key of the leaf did not make
// over this connection, this challenge and this chain.
var ErrSignature = errors.New("the signature does not fit this connection, challenge and chain")

// scheme is how a kind of key signs. There is one for each kind, so that nothing
// is negotiated.
type scheme struct {
	hash crypto.Hash // 0: the key signs the message itself
	opts crypto.SignerOpts
}

// schemeOf follows RFC 8446 section 4.2.3: the hash of an ECDSA signature is that
// of the curve, RSA is PSS with a salt as long as the hash.
func schemeOf(key crypto.PublicKey) (scheme, error) {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return scheme{crypto.SHA256, crypto.SHA256}, nil
		case elliptic.P384():
			return scheme{crypto.SHA384, crypto.SHA384}, nil
		}
	case *rsa.PublicKey:
		// A signature is as long as its modulus, which bounds the work it makes.
		if n := k.Size(); n >= 2048/8 && n <= maxSignatureSize {
			return scheme{crypto.SHA256, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}}, nil
		}
	case ed25519.PublicKey:
		return scheme{0, crypto.Hash(0)}, nil
	}
	return scheme{}, fmt.Errorf("no signature scheme for a key of type %T", key)
}

func (s scheme) digest(message []byte) []byte {
	if s.hash == 0 {
		return message
	}
	h := s.hash.New()
	_, _ = h.Write(message) // a hash never fails
	return h.Sum(nil)
}

func sign(key crypto.Signer, message []byte) ([]byte, error) {
	s, err := schemeOf(key.Public())
	if err != nil {
		return nil, err
	}
	return key.Sign(rand.Reader, s.digest(message), s.opts)
}

func verifySignature(key crypto.PublicKey, message, signature []byte) error {
	s, err := schemeOf(key)
	if err != nil {
		return err
	}
	ok := false
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(k, s.digest(message), signature)
	case *rsa.PublicKey:
		ok = rsa.VerifyPSS(k, s.hash, s.digest(message), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case ed25519.PublicKey:
		ok = ed25519.Verify(k, message, signature)
	}
	if !ok {
		return ErrSignature
	}
	return nil
}
