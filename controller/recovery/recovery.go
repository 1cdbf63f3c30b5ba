package recovery

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// Key is the public half of the recovery key. The zero value is that none was made.
type Key struct {
	Public    string
	CreatedAt time.Time
	CreatedBy string
}

// Timeline is the newest one that a statement began. The zero value is the first
// timeline, which needs none.
type Timeline struct {
	Number         uint64
	Statement      string // signed
	OldVerifierKey string
	OldCheckpoint  string
	BegunAt        time.Time
}

// Now is the number of the timeline that a controller is in.
func (t Timeline) Now() uint64 { return max(t.Number, 1) }

// Store keeps both.
type Store interface {
	RecoveryKey(ctx context.Context) (Key, error)
	Timeline(ctx context.Context) (Timeline, error)
	RecoveryTx(ctx context.Context, fn func(Tx) error) error
}

// Tx is a transaction of a Store.
type Tx interface {
	RecoveryKey(ctx context.Context) (Key, error)
	Timeline(ctx context.Context) (Timeline, error)
	// PutRecoveryKey replaces the one that is there.
	PutRecoveryKey(ctx context.Context, k Key) error
	PutTimeline(ctx context.Context, t Timeline) error
	// MarkRestored has the controller collect the revocations that connectors hold before
	// it admits anybody.
	MarkRestored(ctx context.Context, at time.Time) error
	// PutStatement replaces the signed statement of a timeline by one with other signatures.
	PutStatement(ctx context.Context, number uint64, signed string) error
	NewestCheckpoint(ctx context.Context) (audit.SignedCheckpoint, error)
	// VoidTokens revokes the enrollment tokens that can still be redeemed.
	VoidTokens(ctx context.Context, by audit.Event, now time.Time) (int, error)
	AppendAudit(ctx context.Context, e audit.Event) error
}

// Why a command is refused.
var (
	ErrExists = errors.New("there is a recovery key already. If it is lost, --replace makes another one; hosts that pinned the former one keep it until " +
		"root resets them (`grpcconnector witness reset --yes`, `grpctunneler directory reset --yes`)")
	ErrOtherKey = errors.New("this is not the recovery key of this controller")
	ErrBegun    = errors.New("this timeline has begun already, and no controller has run on its database since")
	ErrLog      = errors.New("the newest checkpoint is not signed by the key of the audit log in the data directory: restore both from the same backup")
)

// Init makes a recovery key and gives it to hand, which must have brought it to its
// operator when it returns. The public half is stored after that: hosts pin it within
// seconds, and one whose key nobody has could be taken from them by root only.
func Init(ctx context.Context, s Store, trustDomain string, replace bool, by audit.Event, hand func(private string) error) (k Key, err error) {
	private, made, err := timeline.NewKey(trustDomain)
	if err != nil {
		return Key{}, err
	}
	if was, err := s.RecoveryKey(ctx); err != nil {
		return Key{}, err
	} else if was.Public != "" && !replace {
		return Key{}, ErrExists
	}
	if err := hand(private); err != nil {
		return Key{}, err
	}
	k = Key{Public: made.Public, CreatedAt: by.Time, CreatedBy: by.Actor}
	err = s.RecoveryTx(ctx, func(tx Tx) error {
		was, err := tx.RecoveryKey(ctx)
		if err != nil {
			return err
		}
		if was.Public != "" && !replace {
			return ErrExists
		}
		if err := cosign(ctx, tx, made, was.Public, trustDomain); err != nil {
			return err
		}
		if err := tx.PutRecoveryKey(ctx, k); err != nil {
			return err
		}
		return record(ctx, tx, by, audit.RecoveryInit, map[string]any{"recovery_key": was.Public}, map[string]any{"recovery_key": k.Public})
	})
	if err != nil {
		return Key{}, fmt.Errorf("%w: the key that was given out does not count, throw it away", err)
	}
	return k, nil
}

// cosign signs the statement of the timeline with a key that replaces another one. Hosts
// pin a key only with a statement of it, so none would ever pin this one otherwise.
func cosign(ctx context.Context, tx Tx, key timeline.Key, was, trustDomain string) error {
	t, err := tx.Timeline(ctx)
	if err != nil || t.Statement == "" {
		return err
	}
	both, err := key.Cosign([]byte(t.Statement), was, trustDomain)
	if err != nil {
		return fmt.Errorf("statement of timeline %d: %w", t.Number, err)
	}
	return tx.PutStatement(ctx, t.Number, string(both))
}

// Beginning is what Begin needs to know.
type Beginning struct {
	TrustDomain string
	Key         timeline.Key
	// VerifierKey is that of the audit log.
	VerifierKey string
	// After is the newest timeline that hosts know, if the database is older than that.
	After  uint64
	Reason string
	By     audit.Event
}

// Begin begins the next timeline: from now on hosts that pinned the key follow this
// controller, from the audit log that it has. It admits nobody until it has collected the
// revocations that they hold: they would believe it, and its database may be a copy that
// no "restore" has put back. For the same reason its enrollment tokens are void.
//
// To begin again where a timeline has just begun changes nothing, and returns that one with
// ErrBegun: a second number would only be one more for the operator to note.
func Begin(ctx context.Context, s Store, b Beginning) (out Timeline, err error) {
	err = s.RecoveryTx(ctx, func(tx Tx) error {
		was, err := tx.Timeline(ctx)
		if err != nil {
			return err
		}
		if err := b.adopt(ctx, tx); err != nil {
			return err
		}
		head, err := tx.NewestCheckpoint(ctx)
		if err != nil {
			return err
		}
		if b.begun(was, head) {
			out = was
			return ErrBegun
		}
		out = Timeline{Number: max(was.Now(), b.After) + 1, BegunAt: b.By.Time}
		if head.Size > 0 {
			if _, err := witness.Open([]byte(head.Note), b.VerifierKey); err != nil {
				return fmt.Errorf("%w: %w", ErrLog, err)
			}
			out.OldVerifierKey, out.OldCheckpoint = b.VerifierKey, head.Note
		}
		statement := timeline.Statement{
			TrustDomain: b.TrustDomain, Number: out.Number, Reason: b.Reason,
			Checkpoint: timeline.HashCheckpoint(out.OldVerifierKey, []byte(out.OldCheckpoint)),
		}
		signed, err := b.Key.Sign(statement)
		if err != nil {
			return err
		}
		out.Statement = string(signed)
		b.By.Reason = b.Reason
		_, err = tx.VoidTokens(ctx, b.By, b.By.Time)
		if err := errors.Join(err, tx.PutTimeline(ctx, out), tx.MarkRestored(ctx, b.By.Time)); err != nil {
			return err
		}
		return record(ctx, tx, b.By, audit.TimelineBegin, map[string]any{"timeline": was.Now()}, map[string]any{
			"timeline": out.Number, "audit_records": head.Size, "checkpoint_sha256": encode(statement.Checkpoint), "recovery_key": b.Key.Public,
		})
	})
	return out, err
}

// begun says that the timeline of the database begins at the newest checkpoint: no controller
// has run on it since. Whoever knows that hosts follow it already says so (After), and
// gets the next one: then the database is a copy.
func (b Beginning) begun(was Timeline, head audit.SignedCheckpoint) bool {
	if was.Statement == "" || b.After >= was.Number {
		return false
	}
	_, err := timeline.Verify([]byte(was.Statement), b.Key.Public, b.TrustDomain)
	return err == nil && was.OldCheckpoint == head.Note
}

// adopt notes the key in a database that is of before it was made, and refuses another
// one than that of the database.
func (b Beginning) adopt(ctx context.Context, tx Tx) error {
	known, err := tx.RecoveryKey(ctx)
	switch {
	case err != nil:
		return err
	case known.Public == "":
		return tx.PutRecoveryKey(ctx, Key{Public: b.Key.Public, CreatedAt: b.By.Time, CreatedBy: b.By.Actor})
	case known.Public != b.Key.Public:
		return ErrOtherKey
	}
	return nil
}

func encode(sum [sha256.Size]byte) string { return base64.StdEncoding.EncodeToString(sum[:]) }

func record(ctx context.Context, tx Tx, e audit.Event, action audit.Action, before, after map[string]any) error {
	was, err := json.Marshal(before)
	if err != nil {
		return err
	}
	now, err := json.Marshal(after)
	if err != nil {
		return err
	}
	e.Action, e.Outcome, e.Before, e.After = action, audit.Success, string(was), string(now)
	return tx.AppendAudit(ctx, e)
}
