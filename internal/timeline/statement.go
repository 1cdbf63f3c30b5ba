package timeline

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Caps of what a controller may send.
const (
	MaxStatement = 2 << 10
	MaxKey       = 512
	MaxReason    = 256 // bytes
	// MaxNumber leaves every number one spelling and room above it.
	MaxNumber = 1 << 32
)

// Why a statement or a key is refused.
var (
	ErrTooLarge      = errors.New("longer than any statement or checkpoint")
	ErrMalformed     = errors.New("not the statement of a timeline")
	ErrKey           = errors.New("not a recovery key of this trust domain")
	ErrSignature     = errors.New("not signed by the recovery key that this host pinned")
	ErrForeign       = errors.New("of another trust domain")
	ErrOldCheckpoint = errors.New("the checkpoint that came with it is not the one that it names")
)

// Origin names the recovery key of a trust domain, and is the first line of each
// statement that it signs.
func Origin(trustDomain string) string { return trustDomain + "/recovery" }

// Statement begins a timeline.
type Statement struct {
	TrustDomain string
	// Number of the timeline that begins; the first one, 1, needs no statement.
	Number uint64
	// Checkpoint is HashCheckpoint of where the audit log continues; zero where it is lost.
	Checkpoint [sha256.Size]byte
	// Reason is one line for people.
	Reason string
}

// HashCheckpoint is what a statement says of the checkpoint of an audit log: its key and
// its signed note. No log has the zero hash.
func HashCheckpoint(verifierKey string, signed []byte) [sha256.Size]byte {
	if verifierKey == "" && len(signed) == 0 {
		return [sha256.Size]byte{}
	}
	return sha256.Sum256([]byte(verifierKey + "\n" + string(signed)))
}

// Text is what is signed.
func (s Statement) Text() string {
	return fmt.Sprintf("%s\n%d\n%s\n%s\n", Origin(s.TrustDomain), s.Number, base64.StdEncoding.EncodeToString(s.Checkpoint[:]), s.Reason)
}

// Parse reads the text of a statement, of which there is one spelling.
func Parse(text string) (Statement, error) {
	lines := strings.Split(text, "\n")
	if len(text) > MaxStatement || len(lines) != 5 || lines[4] != "" {
		return Statement{}, ErrMalformed
	}
	td, ok := strings.CutSuffix(lines[0], Origin(""))
	n, err := strconv.ParseUint(lines[1], 10, 64)
	if !ok || td == "" || err != nil || n < 2 || n > MaxNumber || strconv.FormatUint(n, 10) != lines[1] {
		return Statement{}, fmt.Errorf("%w: trust domain or number", ErrMalformed)
	}
	sum, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(sum) != sha256.Size || len(lines[2]) != base64.StdEncoding.EncodedLen(sha256.Size) {
		return Statement{}, fmt.Errorf("%w: hash of the checkpoint", ErrMalformed)
	}
	if !readable(lines[3]) {
		return Statement{}, errReason
	}
	return Statement{TrustDomain: td, Number: n, Checkpoint: [sha256.Size]byte(sum), Reason: lines[3]}, nil
}

var errReason = fmt.Errorf("%w: the reason must be one line of printable text, at most %d bytes", ErrMalformed, MaxReason)

// CheckReason says whether a text can be the reason of a new statement: one line of which a
// person sees every character.
func CheckReason(s string) error {
	if !readable(s) || !visible.Text(s) {
		return errReason
	}
	return nil
}

// readable says whether a text can be the reason of a statement that was signed already: one
// line that a terminal only shows. It must never become stricter, as CheckReason did: hosts
// would refuse a timeline that they follow.
func readable(s string) bool {
	return s != "" && len(s) <= MaxReason && !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) })
}

// Verify opens a signed statement.
func Verify(signed []byte, verifierKey, trustDomain string) (Statement, error) {
	if len(signed) > MaxStatement {
		return Statement{}, ErrTooLarge
	}
	verifier, err := CheckKey(verifierKey, trustDomain)
	if err != nil {
		return Statement{}, err
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return Statement{}, ErrSignature // the library's error may quote the input
	}
	s, err := Parse(n.Text)
	if err != nil {
		return Statement{}, err
	}
	if s.TrustDomain != trustDomain {
		return Statement{}, ErrForeign
	}
	return s, nil
}

// CheckKey reads the public half of the recovery key of a trust domain.
func CheckKey(verifierKey, trustDomain string) (note.Verifier, error) {
	if len(verifierKey) > MaxKey {
		return nil, ErrTooLarge
	}
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil || verifier.Name() != Origin(trustDomain) {
		return nil, ErrKey
	}
	return verifier, nil
}

// capped is checked before anything of a message is read.
func capped(m *zerotrustv1.Timeline) error {
	if len(m.GetRecoveryKey()) > MaxKey || len(m.GetStatement()) > MaxStatement || len(m.GetOldCheckpoint()) > witness.MaxNote || len(m.GetOldVerifierKey()) > witness.MaxKey {
		return ErrTooLarge
	}
	return nil
}

// names says whether the checkpoint of a message is the one that the statement names,
// and one at all.
func (s Statement) names(m *zerotrustv1.Timeline) error {
	if HashCheckpoint(m.GetOldVerifierKey(), m.GetOldCheckpoint()) != s.Checkpoint {
		return ErrOldCheckpoint
	}
	if s.Checkpoint == [sha256.Size]byte{} {
		return nil
	}
	if _, err := witness.Open(m.GetOldCheckpoint(), m.GetOldVerifierKey()); err != nil {
		return fmt.Errorf("%w: %w", ErrOldCheckpoint, err)
	}
	return nil
}
