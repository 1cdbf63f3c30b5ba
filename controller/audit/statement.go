package audit

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// ErrStatement is returned for a statement that the controller did not sign.
var ErrStatement = errors.New("not a statement that the key of this log has signed")

// A statement is what the controller says in its own log and what a verification relies on,
// such as what retention has removed. It is signed by itself, so that whoever can write to the
// database and has not the key cannot have the controller log one.
type statement interface {
	// text is what is signed. It begins with a line of its own for each type.
	text(origin string) []byte
	signature() []byte
}

// Anchor is the state of an svid.anchor event: renewals First to Last, counted and hashed.
type Anchor struct {
	First  int64  `json:"first"`
	Last   int64  `json:"last"`
	Count  int64  `json:"count"`
	SHA256 []byte `json:"sha256"`
	// Pruned is the newest renewal that was removed, or will be now, because it is older
	// than KeepRenewals.
	Pruned    int64  `json:"pruned"`
	Signature []byte `json:"signature"`
}

func (a Anchor) text(origin string) []byte {
	return fmt.Appendf(nil, "grpccontroller svid anchor v1\n%s\n%d %d %d %x %d\n", origin, a.First, a.Last, a.Count, a.SHA256, a.Pruned)
}

func (a Anchor) signature() []byte { return a.Signature }

// Archived is the state of an audit.archive event: the first Records events were removed, or
// will be now, and Root is the hash of the tree that they were.
type Archived struct {
	Records   int64     `json:"records"`
	Root      tlog.Hash `json:"root"`
	Signature []byte    `json:"signature"`
}

func (a Archived) text(origin string) []byte {
	return fmt.Appendf(nil, "grpccontroller audit archive v1\n%s\n%d\n%s\n", origin, a.Records, a.Root)
}

func (a Archived) signature() []byte { return a.Signature }

// Mark is how far the controller has verified its log.
type Mark struct {
	Size      int64     `json:"size"`
	Root      tlog.Hash `json:"root"`
	Turn      int64     `json:"turn"` // of older segments; see SelfCheck
	Signature []byte    `json:"signature"`
}

func (m Mark) text(origin string) []byte {
	return fmt.Appendf(nil, "grpccontroller audit verified v1\n%s\n%d\n%s\n%d\n", origin, m.Size, m.Root, m.Turn)
}

func (m Mark) signature() []byte { return m.Signature }

// sign makes the signature of a statement.
func (s *Signer) sign(of statement) ([]byte, error) { return s.SignText(of.text(s.Origin())) }

const maxStatement = 1 << 10

// readStatement parses a stored statement and verifies its signature.
func readStatement[T statement](raw, verifierKey string) (T, error) {
	var out, none T
	if len(raw) > maxStatement || len(verifierKey) > witness.MaxKey {
		return none, ErrStatement
	}
	d := json.NewDecoder(strings.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&out); err != nil || d.More() {
		return none, ErrStatement
	}
	v, err := note.NewVerifier(verifierKey)
	if err != nil || len(out.signature()) != ed25519.SignatureSize || !v.Verify(out.text(v.Name()), out.signature()) {
		return none, ErrStatement
	}
	return out, nil
}
