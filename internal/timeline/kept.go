package timeline

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Why a host does not follow its controller into a timeline.
var (
	ErrNoKey    = errors.New("this host has no recovery key pinned")
	ErrOlder    = errors.New("of a timeline before the one that this host follows")
	ErrOtherKey = errors.New("the controller has another recovery key than the one that this host pinned")
	ErrConflict = errors.New("two statements for one timeline")
)

// Kept is what a host holds of timelines. The zero value has seen none.
type Kept struct {
	// RecoveryKey is the public half that was pinned; empty for none.
	RecoveryKey string    `json:"recovery_key,omitempty"`
	PinnedAt    time.Time `json:"pinned_at,omitzero"`
	// Number of the timeline that is followed; 0 while none was seen.
	Number uint64 `json:"timeline"`
	// Statement is the signed one that began it, with the checkpoint of the audit log that
	// it names; empty in the first timeline.
	Statement      string    `json:"statement,omitempty"`
	OldVerifierKey string    `json:"old_verifier_key,omitempty"`
	OldCheckpoint  string    `json:"old_checkpoint,omitempty"`
	AcceptedAt     time.Time `json:"accepted_at,omitzero"`
	// Conflict is another signed statement for the same number.
	Conflict   string    `json:"conflict,omitempty"`
	ConflictAt time.Time `json:"conflict_at,omitzero"`
}

// Stopped is why a host admits nobody new; nil if it does.
func (k Kept) Stopped() error {
	if k.Conflict == "" {
		return nil
	}
	return fmt.Errorf("%w, %d", ErrConflict, k.Number)
}

// Follows is why nothing is taken of a controller that is in a timeline.
func (k Kept) Follows(number uint64) error {
	switch err := k.Stopped(); {
	case err != nil:
		return err
	case k.Number == 0 || number == k.Number:
		return nil
	case number < k.Number:
		return fmt.Errorf("the controller is in timeline %d, %w (%d)", number, ErrOlder, k.Number)
	default:
		return fmt.Errorf("the controller is in timeline %d, this host follows %d and was shown no statement of the recovery key that it could accept", number, k.Number)
	}
}

// Judge takes the statement of a message, if there is one, and returns what to keep from
// now on. accepted says that another timeline is followed than before. On an error
// nothing changes, but for ErrConflict.
func (k Kept) Judge(m *zerotrustv1.Timeline, trustDomain string, now time.Time) (next Kept, accepted bool, err error) {
	if err := capped(m); err != nil || len(m.GetStatement()) == 0 {
		return k, false, err
	}
	if k.RecoveryKey == "" {
		return k, false, ErrNoKey
	}
	s, err := Verify(m.GetStatement(), k.RecoveryKey, trustDomain)
	if err != nil {
		return k, false, err
	}
	switch {
	case s.Number < k.Number:
		return k, false, fmt.Errorf("statement of timeline %d: %w (%d)", s.Number, ErrOlder, k.Number)
	case s.Number == k.Number && k.Statement != "" && textOf(k.Statement, k.RecoveryKey) == s.Text():
		return k, false, nil
	case k.Conflict != "":
		return k, false, k.Stopped()
	case s.Number == k.Number && k.Statement != "":
		k.Conflict, k.ConflictAt = string(m.GetStatement()), now.UTC()
		return k, false, k.Stopped()
	}
	// Also the first statement of the number that is followed: a policy of that timeline
	// was kept, and the statement could not be.
	if err := s.names(m); err != nil {
		return k, false, err
	}
	k.Number, k.AcceptedAt = s.Number, now.UTC()
	k.Statement, k.OldVerifierKey, k.OldCheckpoint = string(m.GetStatement()), m.GetOldVerifierKey(), string(m.GetOldCheckpoint())
	return k, true, nil
}

// Pin takes the recovery key of a controller that is believed for another reason: the host
// enrolled with it a moment ago, or has just taken its policy. number is the timeline of
// that. The first key stays.
func (k Kept) Pin(m *zerotrustv1.Timeline, number uint64, trustDomain string, now time.Time) (Kept, error) {
	switch err := capped(m); {
	case err != nil:
		return k, err
	case m.GetRecoveryKey() == "" || m.GetRecoveryKey() == k.RecoveryKey:
		return k, nil
	case k.RecoveryKey != "":
		return k, ErrOtherKey
	}
	if _, err := CheckKey(m.GetRecoveryKey(), trustDomain); err != nil {
		return k, err
	}
	next := Kept{RecoveryKey: m.GetRecoveryKey(), PinnedAt: now.UTC(), Number: number}
	if number <= 1 {
		next.Number = 1
		return next, nil
	}
	next.Number = number - 1
	next, _, err := next.Judge(m, trustDomain, now)
	if err == nil && next.Number != number {
		err = fmt.Errorf("%w: of timeline %d, and the controller is in %d", ErrMalformed, next.Number, number)
	}
	if err != nil {
		return k, err
	}
	return next, nil
}

// Begun is the statement that began the timeline; false in the first one.
func (k Kept) Begun() (Statement, bool) {
	s, err := Parse(textOf(k.Statement, k.RecoveryKey))
	return s, err == nil
}

// textOf is the text of a signed note, empty if it is none of this key.
func textOf(signed, verifierKey string) string {
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil {
		return ""
	}
	n, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		return ""
	}
	return n.Text
}
