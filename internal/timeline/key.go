package timeline

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// ErrPrivate is of a text that is not the recovery key, or is one with a mistake in it.
var ErrPrivate = errors.New(`not a recovery key: it is one line that begins with "PRIVATE+KEY+", as "grpccontroller recovery init" printed it`)

// Key is a recovery key. Only its operator has one, and this process while it signs.
type Key struct {
	signer note.Signer
	// Public is what hosts pin.
	Public string
}

// NewKey makes a recovery key and returns its text, in the format of
// c2sp.org/signed-note: it has a checksum, so a mistake in a copy is noticed.
func NewKey(trustDomain string) (private string, k Key, err error) {
	private, _, err = note.GenerateKey(rand.Reader, Origin(trustDomain))
	if err != nil {
		return "", Key{}, err
	}
	k, err = ParseKey(private, trustDomain)
	return private, k, err
}

// ParseKey reads the text of a recovery key. No error has any of it.
func ParseKey(private, trustDomain string) (Key, error) {
	private = strings.TrimSpace(private)
	if len(private) > MaxKey {
		return Key{}, ErrPrivate
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return Key{}, ErrPrivate
	}
	if signer.Name() != Origin(trustDomain) {
		return Key{}, ErrKey
	}
	public, err := publicOf(private)
	if err != nil {
		return Key{}, err
	}
	return Key{signer: signer, Public: public}, nil
}

// publicOf derives the public half: an algorithm byte and a seed are the last of the
// fields, which NewSigner has verified.
func publicOf(private string) (string, error) {
	fields := strings.SplitN(private, "+", 5)
	raw, err := base64.StdEncoding.DecodeString(fields[len(fields)-1])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return "", ErrPrivate
	}
	public, ok := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	if !ok {
		return "", ErrPrivate
	}
	return note.NewEd25519VerifierKey(fields[2], public)
}

// Sign signs a statement and verifies what it made.
func (k Key) Sign(s Statement) ([]byte, error) {
	if err := CheckReason(s.Reason); err != nil {
		return nil, err
	}
	if _, err := Parse(s.Text()); err != nil {
		return nil, err
	}
	signed, err := note.Sign(&note.Note{Text: s.Text()}, k.signer)
	if err != nil {
		return nil, err
	}
	_, err = Verify(signed, k.Public, s.TrustDomain)
	return signed, err
}

// Cosign adds the signature of k to a statement that verifierKey has verified, so that it
// is one statement for hosts that pinned either key. Signatures of earlier keys are left
// out: what a controller sends stays small.
func (k Key) Cosign(signed []byte, verifierKey, trustDomain string) ([]byte, error) {
	if _, err := Verify(signed, verifierKey, trustDomain); err != nil {
		return nil, err
	}
	verifier, err := CheckKey(verifierKey, trustDomain)
	if err != nil {
		return nil, err
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return nil, ErrSignature
	}
	n.UnverifiedSigs = nil
	both, err := note.Sign(n, k.signer)
	if err != nil {
		return nil, err
	}
	_, err = Verify(both, k.Public, trustDomain)
	return both, err
}
