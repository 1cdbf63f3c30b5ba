package audit

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

const (
	keyFile      = "checkpoint.key"
	verifierFile = "checkpoint.pub"
	maxKeyFile   = 4 << 10
)

// Origin names the log of a trust domain, and its key.
func Origin(trustDomain string) string { return trustDomain + "/audit" }

// Signer signs checkpoints. Its Ed25519 key is in a file of mode 0600, in the
// format of c2sp.org/signed-note.
type Signer struct {
	signer note.Signer
	// VerifierKey is what witnesses pin.
	VerifierKey string
}

// OpenSigner loads the key in dir, or makes it at first start.
func OpenSigner(dir, origin string) (*Signer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open audit key: %w", err)
	}
	s, err := loadSigner(dir, origin)
	if errors.Is(err, fs.ErrNotExist) {
		s, err = makeSigner(dir, origin)
	}
	if err != nil {
		return nil, fmt.Errorf("open audit key: %w", err)
	}
	return s, nil
}

func loadSigner(dir, origin string) (*Signer, error) {
	path := filepath.Join(dir, keyFile)
	raw, err := atomicfile.Read(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(strings.TrimSpace(string(raw)))
	if err != nil { // the library's error may not quote the key
		return nil, fmt.Errorf("%s holds no signing key: restore it from a backup", path)
	}
	if signer.Name() != origin {
		return nil, fmt.Errorf("%s is the key of %q, not of %q: was the trust domain changed?", path, signer.Name(), origin)
	}
	key, err := ReadVerifierKey(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing but its key exists: restore it from a backup", verifierFile)
	}
	if err != nil {
		return nil, err
	}
	return &Signer{signer: signer, VerifierKey: key}, checkPair(signer, key, origin)
}

// checkPair signs once: a key whose checkpoints nobody accepts must not begin.
func checkPair(signer note.Signer, key, origin string) error {
	signed, err := note.Sign(&note.Note{Text: witness.Checkpoint{Origin: origin, Size: 1}.Text()}, signer)
	if err == nil {
		_, err = witness.Open(signed, key)
	}
	if err != nil {
		return fmt.Errorf("%s and %s do not belong together: %w", keyFile, verifierFile, err)
	}
	return nil
}

// makeSigner writes the public half first: killed in between, the next start
// finds no key and makes a pair anew, which nobody has witnessed yet.
func makeSigner(dir, origin string) (*Signer, error) {
	private, public, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(filepath.Join(dir, verifierFile), []byte(public+"\n"), 0o644); err != nil {
		return nil, err
	}
	if err := atomicfile.Write(filepath.Join(dir, keyFile), []byte(private+"\n"), 0o600); err != nil {
		return nil, err
	}
	return &Signer{signer: signer, VerifierKey: public}, nil
}

// ReadVerifierKey reads the public key in dir.
func ReadVerifierKey(dir string) (string, error) {
	raw, err := atomicfile.Read(filepath.Join(dir, verifierFile), maxKeyFile)
	return strings.TrimSpace(string(raw)), err
}

// Sign makes a signed checkpoint.
func (s *Signer) Sign(c witness.Checkpoint) (string, error) {
	signed, err := note.Sign(&note.Note{Text: c.Text()}, s.signer)
	return string(signed), err
}

// ErrOtherText is returned for a text that could be read as a checkpoint.
var ErrOtherText = errors.New("audit: this key signs checkpoints by Sign only")

// SignText signs what is not a checkpoint; see denial.Sign.
func (s *Signer) SignText(text []byte) ([]byte, error) {
	if bytes.HasPrefix(text, []byte(s.Origin())) {
		return nil, ErrOtherText
	}
	return s.signer.Sign(text)
}

// Origin is the first line of every checkpoint.
func (s *Signer) Origin() string { return s.signer.Name() }
