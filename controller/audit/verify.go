package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// The kinds of a Problem.
const (
	Changed    = "changed"
	Deleted    = "deleted"
	Reordered  = "reordered"
	Rewritten  = "rewritten" // with its stored hashes, so that only a checkpoint shows it
	RolledBack = "rolled back"
	Unsigned   = "unsigned tail"
	Forged     = "forged" // a checkpoint, or another statement that the key did not sign
)

// Problem is the first thing that is wrong with a log.
type Problem struct {
	Kind string
	// Index of the first bad record. Where only a checkpoint shows it, it is the first
	// that may be bad, and Detail says up to which.
	Index int64
	// Time and Action of what is stored there, zero if nothing is.
	Time   time.Time
	Action Action
	Detail string
}

// Error says it in one line.
func (p *Problem) Error() string {
	at := fmt.Sprintf("record %d", p.Index)
	if p.Action != "" {
		at += fmt.Sprintf(" (%s, %s)", p.Time.Format(time.RFC3339Nano), p.Action)
	}
	return p.Kind + ": " + at + ": " + p.Detail
}

// VerifyStore is what a verification reads.
type VerifyStore interface {
	// AuditRows lists sequenced events from an index on, by index.
	AuditRows(ctx context.Context, from int64, limit int) ([]Row, error)
	// AuditHashRange lists the stored hashes of positions from..to-1, by position.
	AuditHashRange(ctx context.Context, from, to int64) (map[int64]tlog.Hash, error)
	// HashPosition finds a stored hash; -1 if there is none.
	HashPosition(ctx context.Context, h tlog.Hash) (int64, error)
	// Checkpoints lists those above a size, by size.
	Checkpoints(ctx context.Context, above int64, limit int) ([]SignedCheckpoint, error)
	NewestCheckpoint(ctx context.Context) (SignedCheckpoint, error)
	// AuditEnds counts the events without an index, and says where the last stored hash
	// is; -1 if there is none.
	AuditEnds(ctx context.Context) (pending, lastHash int64, err error)
	// NewestAudit is the newest event of an action that has an index.
	NewestAudit(ctx context.Context, a Action) (r Row, found bool, err error)
	// AuditOf lists the events of an action that have an index below a limit, the newest
	// first.
	AuditOf(ctx context.Context, a Action, below int64, limit int) ([]Row, error)
	// RenewalsBetween lists the renewals first to last, by seq.
	RenewalsBetween(ctx context.Context, first, last int64, limit int) ([]Renewal, error)
	Hashes
}

// Verification says what to verify against.
type Verification struct {
	VerifierKey string
	// Witness is what a connector kept, or nil.
	Witness *witness.File
	// Live says that a sequencer may run meanwhile.
	Live bool
	// Since is what was verified before: its complete segments are not read again; nil
	// verifies everything.
	Since *Mark
	// Again chooses the older segments and anchors, by their number, that are read again
	// all the same. Without Since everything is.
	Again func(n int64) bool
	// Progress is called with how many records were verified, at times; may be nil.
	Progress func(done, total int64)
}

// Report is the result of a verification.
type Report struct {
	Size        int64 // records that the newest checkpoint covers
	Archived    int64 // of them, removed by retention: only their hashes were verified
	Read        int64 // of them, read and hashed this time
	Checkpoints int64 // verified this time
	Pending     int64 // not sequenced yet
	Renewals    int64 // verified this time
	Root        tlog.Hash
	Newest      SignedCheckpoint
	Problem     *Problem // nil: everything is as it was signed
}

// ErrInput is returned for a key or a witness file that cannot judge this log.
var ErrInput = errors.New("cannot be verified with this")

// Verify hashes the log anew, from its rows, and compares it with the stored hashes, with
// the checkpoints, and with what a connector witnessed; and the renewals with their anchors.
// The error says that it could not be done; what it found is in the report.
func Verify(ctx context.Context, store VerifyStore, v Verification) (Report, error) {
	for {
		before, err := removed(ctx, store, v)
		if err != nil {
			return Report{}, err
		}
		report, err := verify(ctx, store, v)
		if err != nil || report.Problem == nil || !v.Live {
			return report, err
		}
		// What was removed meanwhile looks like tampering.
		after, err := removed(ctx, store, v)
		if err != nil || before == after {
			return report, err
		}
	}
}

// removed is what the log says is removed of the events and of the renewals, and how much of
// these events is gone by now: that comes later.
func removed(ctx context.Context, store VerifyStore, v Verification) (out [3]int64, err error) {
	if !v.Live {
		return out, nil
	}
	events, _, err := stated[Archived](ctx, store, v.VerifierKey, LogArchive)
	if err != nil && !errors.Is(err, ErrStatement) {
		return out, err
	}
	renewals, _, err := stated[Anchor](ctx, store, v.VerifierKey, SVIDAnchor)
	if err != nil && !errors.Is(err, ErrStatement) {
		return out, err
	}
	gone := events.Records
	first, err := store.AuditRows(ctx, 0, 1)
	if len(first) > 0 {
		gone = min(gone, first[0].Index)
	}
	return [3]int64{events.Records, renewals.Pruned, gone}, err
}

func verify(ctx context.Context, store VerifyStore, v Verification) (Report, error) {
	newest, err := store.NewestCheckpoint(ctx)
	if err != nil {
		return Report{}, err
	}
	w := &walk{store: store, v: v, report: Report{Newest: newest, Size: newest.Size}}
	if err := w.inputs(newest); err != nil {
		return w.report, err
	}
	err = w.run(ctx)
	w.report.Root = w.edge.root()
	return w.report, err
}
