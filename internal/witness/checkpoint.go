package witness

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Caps of what a controller may send.
const (
	MaxNote   = 4 << 10
	MaxKey    = 512
	MaxHashes = 64 // a proof has at most one hash a level, twice
)

// Why a checkpoint is refused.
var (
	ErrMalformed = errors.New("not a checkpoint")
	ErrTooLarge  = errors.New("longer than any checkpoint or proof")
	ErrSignature = errors.New("not signed by the key of this log")
	ErrOtherKey  = errors.New("signed under another key than the one that was witnessed")
	ErrSmaller   = errors.New("the log is shorter than it was: it was rolled back")
	ErrFork      = errors.New("the log does not have the witnessed content: it was rewritten")
	ErrProof     = errors.New("no proof that the log only grew: it was rewritten")
)

// Checkpoint is the state of a log: the text of a note in the format of
// c2sp.org/tlog-checkpoint.
type Checkpoint struct {
	Origin string // also the name of the key
	Size   int64  // number of records, at least 1
	Root   tlog.Hash
}

// Text is what is signed.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
}

// ParseCheckpoint reads the text of a checkpoint. Extension lines are permitted
// by the format and ignored.
func ParseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(text) > MaxNote || len(lines) < 4 || lines[0] == "" {
		return Checkpoint{}, ErrMalformed
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	// Exactly one spelling of each number, and no size whose proof would overflow.
	if err != nil || size < 1 || size > 1<<48 || strconv.FormatInt(size, 10) != lines[1] {
		return Checkpoint{}, fmt.Errorf("%w: size %q", ErrMalformed, clip(lines[1]))
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("%w: root hash", ErrMalformed)
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: tlog.Hash(root)}, nil
}

// Open verifies a signed note and reads its checkpoint. The origin must be the
// name of the key: a note of another log under the same key is not one of this log.
func Open(signed []byte, verifierKey string) (Checkpoint, error) {
	if len(signed) > MaxNote || len(verifierKey) > MaxKey {
		return Checkpoint{}, ErrTooLarge
	}
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: verifier key: %w", ErrMalformed, err)
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != verifier.Name() {
		return Checkpoint{}, fmt.Errorf("%w: of another log", ErrSignature)
	}
	return c, nil
}

func clip(s string) string { return s[:min(len(s), 32)] }
