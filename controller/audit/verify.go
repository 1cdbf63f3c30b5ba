package audit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// The kinds of a Problem.
const (
	Changed    = "changed"
	Deleted    = "deleted"
	Reordered  = "reordered"
	Rewritten  = "rewritten" // with its stored hashes, so that only a checkpoint tells
	RolledBack = "rolled back"
	Unsigned   = "unsigned tail"
	Forged     = "forged checkpoint"
)

// Problem is the first thing that is wrong with a log.
type Problem struct {
	Kind string
	// Index of the first bad record. Where only a checkpoint tells, it is the first
	// that may be bad, and Detail says up to which.
	Index int64
	// Time and Action of what is stored there, zero if nothing is.
	Time   time.Time
	Action string
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
	// AuditCounts counts the events without an index, and the stored hashes.
	AuditCounts(ctx context.Context) (pending, hashes int64, err error)
}

// Verification says what to verify against.
type Verification struct {
	VerifierKey string
	// Witness is what a connector kept, or nil.
	Witness *witness.File
	// Live says that a sequencer may run meanwhile.
	Live bool
	// Progress hears how many records were verified, at times; may be nil.
	Progress func(done, total int64)
}

// Report is the result of a verification.
type Report struct {
	Size        int64 // records that the newest checkpoint covers
	Checkpoints int64
	Pending     int64 // not sequenced yet
	Root        tlog.Hash
	Newest      SignedCheckpoint
	Problem     *Problem // nil: everything is as it was signed
}

// ErrInput is returned for a key or a witness file that cannot judge this log.
var ErrInput = errors.New("cannot be verified with this")

// Verify hashes the whole log anew, from its rows, and compares it with the
// stored hashes, with every checkpoint, and with what a connector witnessed. The
// error says that it could not be done; what it found is in the report.
func Verify(ctx context.Context, store VerifyStore, v Verification) (Report, error) {
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

const page = 1000

// walk is a running verification.
type walk struct {
	store  VerifyStore
	v      Verification
	report Report
	edge   edge
	kept   witness.Kept // of the witness; Size 0 without one

	checkpoints []SignedCheckpoint // read ahead
	good        int64              // size of the last checkpoint that held
	last        Row                // the last good record
}

func (w *walk) run(ctx context.Context) error {
	var err error
	if w.report.Pending, _, err = w.store.AuditCounts(ctx); err != nil {
		return err
	}
	if w.v.Witness != nil && w.kept.VerifierKey != w.v.VerifierKey {
		w.problem(Forged, Row{Index: -1}, "the witness knows this log under another key, %s: it was signed anew, or one of the two is of another controller", w.kept.VerifierKey)
		return nil
	}
	for w.report.Problem == nil && w.edge.size < w.report.Size {
		if err := w.page(ctx); err != nil {
			return err
		}
		if w.v.Progress != nil {
			w.v.Progress(w.edge.size, w.report.Size)
		}
	}
	if w.report.Problem == nil {
		return w.tail(ctx)
	}
	return nil
}

// inputs refuses what could only make an intact log look bad. What claims to be of this
// log and does not fit it is for run to judge: it may be the log that is forged.
func (w *walk) inputs(newest SignedCheckpoint) (err error) {
	key, err := note.NewVerifier(w.v.VerifierKey)
	if err != nil {
		return fmt.Errorf("%w public key: it is not one of the form name+hash+key", ErrInput)
	}
	if origin, _, _ := strings.Cut(newest.Note, "\n"); newest.Size > 0 && origin != key.Name() {
		return fmt.Errorf("%w public key: it is of %q, the log is of %q", ErrInput, key.Name(), clip(origin))
	}
	if w.v.Witness == nil {
		return nil
	}
	if w.kept, err = w.v.Witness.Kept(); err != nil {
		return fmt.Errorf("%w witness file: %w", ErrInput, err)
	}
	if w.kept.VerifierKey == "" {
		return fmt.Errorf("%w witness file: its connector has witnessed nothing yet", ErrInput)
	}
	if of := w.kept.Checkpoint.Origin; of != key.Name() {
		return fmt.Errorf("%w witness file: it is of %q, the log is of %q", ErrInput, of, key.Name())
	}
	return nil
}

// page verifies up to page records.
func (w *walk) page(ctx context.Context) error {
	from := w.edge.size
	rows, err := w.store.AuditRows(ctx, from, int(min(page, w.report.Size-from)))
	if err != nil {
		return err
	}
	stored, err := w.store.AuditHashRange(ctx, tlog.StoredHashIndex(0, from), tlog.StoredHashIndex(0, from+int64(len(rows))))
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		w.missing(Row{Index: w.report.Size})
	}
	for _, row := range rows {
		if err := ctx.Err(); err != nil {
			return err
		}
		if row.Index >= w.report.Size || row.Index != w.edge.size {
			w.missing(row)
			return nil
		}
		if ok, err := w.record(ctx, row, stored); err != nil || !ok {
			return err
		}
	}
	return nil
}

func (w *walk) missing(next Row) {
	at := w.edge.size
	text := fmt.Sprintf("it is missing, and so are all up to record %d", next.Index-1)
	if next.Index == at+1 {
		text = "it is missing"
	}
	if w.last.Action != "" {
		text += fmt.Sprintf("; the one before is of %s", w.last.Time.Format(time.RFC3339Nano))
	}
	if next.Action != "" {
		text += fmt.Sprintf("; the next one is of %s (%s)", next.Time.Format(time.RFC3339Nano), next.Action)
	}
	w.problem(Deleted, Row{Index: at}, "%s", text)
}

// record verifies one record and the checkpoint that ends with it.
func (w *walk) record(ctx context.Context, row Row, stored map[int64]tlog.Hash) (ok bool, err error) {
	leaf, err := row.LeafHash(row.LeafVersion)
	if err != nil {
		w.problem(Changed, row, "%v", err)
		return false, nil
	}
	position := tlog.StoredHashIndex(0, row.Index)
	for i, h := range w.edge.add(leaf) {
		have, there := stored[position+int64(i)]
		switch {
		case there && have == h:
			continue
		case i > 0 || !there:
			w.problem(Changed, row, "a stored hash above it does not match its records")
		default:
			return false, w.differs(ctx, row, leaf)
		}
		return false, nil
	}
	w.last = row
	return w.checkpoint(ctx)
}

// differs says how a record differs from what was sequenced.
func (w *walk) differs(ctx context.Context, row Row, leaf tlog.Hash) error {
	at, err := w.store.HashPosition(ctx, leaf)
	if err != nil {
		return err
	}
	if at >= 0 {
		if level, n := tlog.SplitStoredHashIndex(at); level == 0 && n != row.Index {
			w.problem(Reordered, row, "the record there was recorded as %d", n)
			return nil
		}
	}
	w.problem(Changed, row, "its content is not what was recorded")
	return nil
}

// checkpoint compares the tree so far with the checkpoints of its size.
func (w *walk) checkpoint(ctx context.Context) (ok bool, err error) {
	if len(w.checkpoints) == 0 {
		if w.checkpoints, err = w.store.Checkpoints(ctx, w.edge.size-1, page); err != nil {
			return false, err
		}
	}
	if len(w.checkpoints) > 0 && w.checkpoints[0].Size == w.edge.size {
		c := w.checkpoints[0]
		w.checkpoints = w.checkpoints[1:]
		w.report.Checkpoints++
		if !w.signed(c) {
			return false, nil
		}
		w.good = c.Size
	}
	if w.kept.Checkpoint.Size == w.edge.size && w.kept.Checkpoint.Root != w.edge.root() {
		w.report.Problem = &Problem{Kind: RolledBack, Index: w.kept.Checkpoint.Size - 1, Detail: fmt.Sprintf(
			"%s witnessed other records up to this one at %s: the log was rolled back and continued, or rewritten",
			w.v.Witness.Connector, w.v.Witness.WitnessedAt.UTC().Format(time.RFC3339))}
		w.report.Problem.Time, w.report.Problem.Action = w.last.Time, w.last.Action
		return false, nil
	}
	return true, nil
}

func (w *walk) signed(c SignedCheckpoint) bool {
	opened, err := witness.Open([]byte(c.Note), w.v.VerifierKey)
	switch {
	case err != nil:
		w.problem(Forged, w.last, "the checkpoint of %d records: %v", c.Size, err)
	case opened.Size != c.Size:
		w.problem(Forged, w.last, "the checkpoint of %d records was signed for %d", c.Size, opened.Size)
	case opened.Root != w.edge.root():
		row := w.last
		if w.good != row.Index {
			row = Row{Index: w.good} // the change is somewhere from here on
		}
		w.problem(Rewritten, row, "the records from here to %d are not those that were signed at %s", c.Size-1, c.Time.Format(time.RFC3339))
	default:
		return true
	}
	return false
}

// tail looks behind the newest checkpoint.
func (w *walk) tail(ctx context.Context) error {
	if w.kept.Checkpoint.Size > w.report.Size {
		ends := "it is empty"
		if w.last.Action != "" {
			ends = fmt.Sprintf("its last record is of %s (%s)", w.last.Time.Format(time.RFC3339Nano), w.last.Action)
		}
		w.problem(RolledBack, Row{Index: w.report.Size}, "the log has %d records, %s; %s witnessed %d at %s",
			w.report.Size, ends, w.v.Witness.Connector, w.kept.Checkpoint.Size, w.v.Witness.WitnessedAt.UTC().Format(time.RFC3339))
		return nil
	}
	if w.v.Live { // the sequencer goes on meanwhile
		return nil
	}
	rows, err := w.store.AuditRows(ctx, w.report.Size, 1)
	if err != nil {
		return err
	}
	if len(rows) > 0 {
		w.problem(Unsigned, rows[0], "no checkpoint covers it")
		return nil
	}
	_, hashes, err := w.store.AuditCounts(ctx)
	if err != nil {
		return err
	}
	if want := storedHashes(w.report.Size); hashes != want {
		w.problem(Unsigned, Row{Index: w.report.Size}, "%d hashes are stored, %d records have %d: records were removed from the end", hashes, w.report.Size, want)
	}
	return nil
}

func storedHashes(size int64) int64 {
	if size == 0 {
		return 0
	}
	return tlog.StoredHashIndex(0, size)
}

func (w *walk) problem(kind string, row Row, format string, args ...any) {
	w.report.Problem = &Problem{Kind: kind, Index: row.Index, Time: row.Time, Action: row.Action, Detail: fmt.Sprintf(format, args...)}
}
