package audit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// walk is a running verification.
type walk struct {
	store  VerifyStore
	v      Verification
	report Report
	edge   edge
	kept   witness.Kept // of the witness; Size 0 without one
	gone   Archived     // what retention says it removed
	began  int64        // size at which the walk began

	checkpoints []SignedCheckpoint // read ahead
	good        int64              // size of the last checkpoint that held
	last        Row                // the last good record
}

func (w *walk) run(ctx context.Context) error {
	var err error
	if w.report.Pending, _, err = w.store.AuditEnds(ctx); err != nil {
		return err
	}
	if w.v.Witness != nil && w.kept.VerifierKey != w.v.VerifierKey {
		w.problem(Forged, Row{Index: -1}, "the witness knows this log under another key, %s: it was signed anew, or one of the two is of another controller", w.kept.VerifierKey)
		return nil
	}
	if err := w.begin(ctx); err != nil {
		return err
	}
	for w.report.Problem == nil && w.edge.size < w.report.Size {
		if err := w.page(ctx); err != nil {
			return err
		}
		if w.v.Progress != nil {
			w.v.Progress(w.edge.size, w.report.Size)
		}
	}
	for _, rest := range []func(context.Context) error{w.tail, w.older, w.renewals} {
		if w.report.Problem != nil {
			return nil //nolint:nilerr // a problem is in the report: the verification itself did not fail
		}
		if err := rest(ctx); err != nil {
			return err
		}
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
	if w.report.Problem, err = compare(ctx, w.store, &w.edge, row, stored); err != nil || w.report.Problem != nil {
		return false, err
	}
	w.last = row
	w.report.Read++
	if w.edge.size == w.gone.Records && w.edge.root() != w.gone.Root {
		w.problem(Rewritten, row, "the records up to here are not those that retention signed as archived")
		return false, nil
	}
	return w.checkpoint(ctx)
}

// compare adds a record to a tree, and compares the hashes that this makes with those that
// are stored.
func compare(ctx context.Context, store VerifyStore, e *edge, row Row, stored map[int64]tlog.Hash) (*Problem, error) {
	leaf, err := row.LeafHash(row.LeafVersion)
	if err != nil {
		return problemAt(Changed, row, "%v", err), nil
	}
	position := tlog.StoredHashIndex(0, row.Index)
	for i, h := range e.add(leaf) {
		have, there := stored[position+int64(i)]
		switch {
		case there && have == h:
			continue
		case i > 0 || !there:
			return problemAt(Changed, row, "a stored hash above it does not match its records"), nil
		default:
			return differs(ctx, store, row, leaf)
		}
	}
	return nil, nil //nolint:nilnil // nothing is wrong
}

// differs says how a record differs from what was sequenced.
func differs(ctx context.Context, store VerifyStore, row Row, leaf tlog.Hash) (*Problem, error) {
	at, err := store.HashPosition(ctx, leaf)
	if err != nil {
		return nil, err
	}
	if at >= 0 {
		if level, n := tlog.SplitStoredHashIndex(at); level == 0 && n != row.Index {
			return problemAt(Reordered, row, "the record there was recorded as %d", n), nil
		}
	}
	return problemAt(Changed, row, "its content is not what was recorded"), nil
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
	if w.kept.Checkpoint.Size > 0 && w.kept.Checkpoint.Size <= w.began {
		if err := w.proveWitness(ctx); err != nil || w.report.Problem != nil {
			return err
		}
	}
	if w.v.Live { // the sequencer continues meanwhile
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
	_, last, err := w.store.AuditEnds(ctx)
	if err != nil {
		return err
	}
	if want := storedHashes(w.report.Size) - 1; last != want {
		w.problem(Unsigned, Row{Index: w.report.Size}, "the last stored hash is %d, that of %d records is %d: records were removed from the end", last, w.report.Size, want)
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
	w.report.Problem = problemAt(kind, row, format, args...)
}

func problemAt(kind string, row Row, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Index: row.Index, Time: row.Time, Action: row.Action, Detail: fmt.Sprintf(format, args...)}
}

const page = 1000
