package keys

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Labels keep the signatures of one purpose from serving another.
const (
	subjectLabel = "grpccontroller enrollment request v1"
	askLabel     = "grpccontroller enrollment request proof v1"
	awaitLabel   = "grpccontroller enrollment await v1"
	renewLabel   = "grpccontroller host certificate renewal v1"

	// ExporterLabel is the label of the TLS exporter value (RFC 5705) that binds an
	// answer to its connection.
	ExporterLabel = "EXPORTER-grpccontroller-await-v1"
	// ExporterSize is its length in bytes.
	ExporterSize = 32
	// ChallengeSize is the length of a challenge in bytes.
	ChallengeSize = 32
	// MaxSignature is the most bytes that an ASN.1 signature of P-256 has.
	MaxSignature = 72
)

// Crockford's base32: no I, L, O and U, so that nothing looks like something else.
const fingerprintAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const (
	fingerprintBytes = 15 // 120 bits
	groupSize        = 4
	// FingerprintGroups is how many groups a fingerprint has.
	FingerprintGroups = fingerprintBytes * 8 / 5 / groupSize
)

// Subject is what a request is about.
type Subject struct {
	TrustDomain string
	Workload    identity.Workload
	// Key is the host's public key, SubjectPublicKeyInfo in DER.
	Key []byte
	// Listener is the leaf certificate of the enrollment listener in DER: as the host
	// sees it, or as the controller shows it. They differ if somebody is in between.
	Listener []byte
}

// Digest is over all of the subject.
func (s Subject) Digest() [sha256.Size]byte {
	listener := sha256.Sum256(s.Listener)
	return sha256.Sum256(signedText(subjectLabel,
		[]byte(s.TrustDomain), []byte(s.Workload.Kind), []byte(s.Workload.ID), s.Key, listener[:]))
}

// Fingerprint is the text that both screens show: 6 groups of 4 characters, 120
// bits.
func (s Subject) Fingerprint() string {
	d := s.Digest()
	text := base32.NewEncoding(fingerprintAlphabet).WithPadding(base32.NoPadding).EncodeToString(d[:fingerprintBytes])
	groups := make([]string, 0, FingerprintGroups)
	for ; text != ""; text = text[groupSize:] {
		groups = append(groups, text[:groupSize])
	}
	return strings.Join(groups, "-")
}

// AskMessage is what the host signs when it asks.
func (s Subject) AskMessage() []byte {
	d := s.Digest()
	return signedText(askLabel, d[:])
}

// AwaitMessage is what the host signs to receive the decision.
func AwaitMessage(requestID string, challenge, exporter []byte) []byte {
	return signedText(awaitLabel, []byte(requestID), challenge, exporter)
}

// RenewMessage is what an enrolled host signs to have its certificate renewed.
func RenewMessage(host identity.HostID, exporter []byte) []byte {
	return signedText(renewLabel, []byte(host), exporter)
}

// SplitFingerprint is all of a fingerprint but its last group, and that one.
func SplitFingerprint(fingerprint string) (first, last string) {
	at := strings.LastIndexByte(fingerprint, '-')
	return fingerprint[:max(at, 0)], fingerprint[at+1:]
}

// SameFingerprint compares a fingerprint, or its last group, with what a person typed:
// case, spaces and dashes do not count, O is read as 0, I and L as 1. A person who
// enters the last group has seen the others beside it.
func SameFingerprint(fingerprint, typed string) bool {
	if len(typed) > 2*len(fingerprint) {
		return false
	}
	plain := strings.ReplaceAll(fingerprint, "-", "")
	_, last := SplitFingerprint(fingerprint)
	read := strings.NewReplacer("-", "", " ", "", "\t", "", "\r", "", "\n", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(typed))
	same := func(a string) bool { return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(read)) == 1 }
	return same(plain) || same(last)
}

// signedText is a label and fields, each with its length.
func signedText(label string, fields ...[]byte) []byte {
	var out []byte
	for _, f := range append([][]byte{[]byte(label)}, fields...) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(f))) //nolint:gosec // fields have at most kilobytes
		out = append(out, f...)
	}
	return out
}

// ErrSignature is returned for a signature that this key did not make over this.
var ErrSignature = errors.New("the signature is not of the host's key over this")

// Sign signs a message with the host's key.
func Sign(key *ecdsa.PrivateKey, message []byte) ([]byte, error) {
	d := sha256.Sum256(message)
	return ecdsa.SignASN1(rand.Reader, key, d[:])
}

// Verify checks a signature.
func Verify(key *ecdsa.PublicKey, message, signature []byte) error {
	d := sha256.Sum256(message)
	if len(signature) > MaxSignature || !ecdsa.VerifyASN1(key, d[:], signature) {
		return ErrSignature
	}
	return nil
}
