package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// ErrNoHash is returned for a hash that is not stored: it was in a segment that retention
// removed, or somebody deleted it.
var ErrNoHash = errors.New("a hash of the audit log is missing")

// begin finds where the walk begins: behind what retention has removed and what was verified
// before. Of that, the hashes of whole segments are combined anew and compared with what was
// signed of them.
func (w *walk) begin(ctx context.Context) error {
	first, err := w.store.AuditRows(ctx, 0, 1)
	if err != nil {
		return err
	}
	from, next := w.report.Size, Row{Index: w.report.Size}
	if len(first) > 0 && first[0].Index < from {
		from, next = first[0].Index, first[0]
	}
	if from > 0 {
		if err := w.archived(ctx, next); err != nil || w.report.Problem != nil {
			return err
		}
		from = segmentStart(wholeSegments(min(from, w.gone.Records)))
		w.report.Archived = from
	}
	if s := w.v.Since; s != nil {
		if s.Size > w.report.Size {
			w.problem(RolledBack, Row{Index: w.report.Size}, "the log has %d records; %d were verified before", w.report.Size, s.Size)
			return nil
		}
		if err := w.same(ctx, s); err != nil || w.report.Problem != nil {
			return err
		}
		// The segment that is not complete is read again each time.
		from = max(from, segmentStart(wholeSegments(s.Size)))
	}
	w.began = from
	if err := w.seed(ctx, from); err != nil || w.report.Problem != nil {
		return err
	}
	if from > 0 && from == w.gone.Records && w.edge.root() != w.gone.Root {
		w.problem(Rewritten, Row{}, "the hashes of the first %d records, which retention has removed, are not those that were signed", from)
	}
	return nil
}

// same compares the stored hashes with those of the verification before.
func (w *walk) same(ctx context.Context, s *Mark) error {
	if err := w.seed(ctx, s.Size); err != nil || w.report.Problem != nil {
		return err
	}
	if w.edge.root() != s.Root {
		w.problem(Rewritten, Row{}, "the hashes of the first %d records are not those that were verified before", s.Size)
	}
	return nil
}

// archived reads what the log itself says of the events before next, which are not there.
func (w *walk) archived(ctx context.Context, next Row) error {
	gone, row, err := stated[Archived](ctx, w.store, w.v.VerifierKey, LogArchive)
	switch {
	case errors.Is(err, ErrStatement):
		w.problem(Forged, row, "it says what retention has removed, and the key of the log has not signed it")
	case err != nil:
		return err
	case gone.Records > row.Index:
		w.missing(next) // there is no statement at all, or one of records that come after it
	default:
		w.gone = gone
	}
	return nil
}

// seed makes the edge of the tree of the first records from stored hashes.
func (w *walk) seed(ctx context.Context, size int64) error {
	w.edge = edge{}
	top := edge{}
	for n := int64(0); n < wholeSegments(size); n++ {
		want := top
		hashes := want.add(tlog.Hash{})
		positions := make([]int64, len(hashes))
		for i := range positions {
			positions[i] = tlog.StoredHashIndex(segmentLevel+i, n>>i)
		}
		stored, err := w.store.AuditHashes(ctx, positions)
		if errors.Is(err, ErrNoHash) {
			w.problem(Deleted, Row{Index: segmentStart(n)}, "the root of segment %d, or a hash above it, is missing", n)
			return nil
		}
		if err != nil {
			return err
		}
		for i, h := range top.add(stored[0]) {
			if h != stored[i] {
				w.problem(Changed, Row{Index: segmentStart(n)}, "a stored hash above segment %d does not match the roots of its segments", n)
				return nil
			}
		}
	}
	copy(w.edge.levels[segmentLevel:], top.levels[:])
	w.edge.size = top.size << segmentLevel
	positions := cover(w.edge.size, size)
	if len(positions) == 0 {
		return nil
	}
	stored, err := w.store.AuditHashes(ctx, positions)
	if errors.Is(err, ErrNoHash) {
		w.problem(Deleted, Row{Index: w.edge.size}, "a stored hash of its segment is missing")
		return nil
	}
	for i, h := range stored {
		level, _ := tlog.SplitStoredHashIndex(positions[i])
		w.edge.levels[level] = h
		w.edge.size += 1 << level
	}
	return err
}

// proveWitness compares the log with a witness of less than what the walk began at.
func (w *walk) proveWitness(ctx context.Context) error {
	size := w.kept.Checkpoint.Size
	if size == w.report.Size {
		if w.kept.Checkpoint.Root != w.edge.root() {
			w.problem(RolledBack, Row{Index: size - 1}, "%s witnessed other records up to this one", w.v.Witness.Connector)
		}
		return nil
	}
	proof, err := tlog.ProveTree(w.report.Size, size, reader{ctx: ctx, store: w.store})
	if errors.Is(err, ErrNoHash) {
		return fmt.Errorf("%w witness file: it is of the first %d records, which retention has removed: take the file of a connector that is ONLINE", ErrInput, size)
	}
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(proof, w.report.Size, w.edge.root(), size, w.kept.Checkpoint.Root); err != nil {
		w.problem(RolledBack, Row{Index: size - 1}, "%s witnessed other records up to this one: the log was rolled back and continued, or rewritten", w.v.Witness.Connector)
	}
	return nil
}

// older reads some of the segments again that were verified before.
func (w *walk) older(ctx context.Context) error {
	if w.v.Since == nil || w.v.Again == nil {
		return nil
	}
	for n := wholeSegments(w.report.Archived); segmentStart(n+1) <= w.began; n++ {
		if !w.v.Again(n) {
			continue
		}
		p, err := verifySegment(ctx, w.store, n)
		if err != nil {
			return err
		}
		if p != nil {
			w.report.Problem = p
			return nil //nolint:nilerr // a problem is in the report
		}
		w.report.Read += SegmentSize
	}
	return nil
}

// verifySegment hashes a segment anew and compares it with its stored hashes, up to its root.
func verifySegment(ctx context.Context, store VerifyStore, n int64) (*Problem, error) {
	var e edge
	for at, end := segmentStart(n), segmentStart(n+1); at < end; {
		rows, err := store.AuditRows(ctx, at, int(min(page, end-at)))
		if err != nil {
			return nil, err
		}
		stored, err := store.AuditHashRange(ctx, tlog.StoredHashIndex(0, at), tlog.StoredHashIndex(0, at+int64(len(rows))))
		if err != nil {
			return nil, err
		}
		if len(rows) == 0 {
			return problemAt(Deleted, Row{Index: at}, "it is missing"), nil
		}
		for _, row := range rows {
			if row.Index != at {
				return problemAt(Deleted, Row{Index: at}, "it is missing"), nil
			}
			if p, err := compare(ctx, store, &e, row, stored); err != nil || p != nil {
				return p, err
			}
			at++
		}
	}
	return nil, nil //nolint:nilnil // nothing is wrong
}

// anchored is an anchor and its event.
type anchored struct {
	Anchor
	row Row
}

// renewals compares the renewals with their anchors: those that are new, and some of the older.
func (w *walk) renewals(ctx context.Context) error {
	anchors, err := w.anchors(ctx)
	if err != nil || w.report.Problem != nil || len(anchors) == 0 {
		return err
	}
	pruned := anchors[0].Pruned
	for _, a := range anchors {
		if a.Last <= pruned || a.Count == 0 {
			continue
		}
		again := w.v.Since == nil || a.row.Index >= w.began || w.v.Again != nil && w.v.Again(a.row.Index)
		if !again {
			continue
		}
		if err := w.anchor(ctx, a); err != nil || w.report.Problem != nil {
			return err
		}
	}
	return nil
}

// anchors lists the anchors of all renewals that are kept, the newest first. Each begins
// where the one before it ended.
func (w *walk) anchors(ctx context.Context) (out []anchored, err error) {
	for below := w.report.Size; ; {
		rows, err := w.store.AuditOf(ctx, SVIDAnchor, below, page)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			a, err := readStatement[Anchor](row.After, w.v.VerifierKey)
			if err != nil {
				w.problem(Forged, row, "it anchors renewals of SVIDs, and the key of the log has not signed it")
				return nil, nil //nolint:nilerr // a problem is in the report
			}
			if n := len(out); n > 0 && out[n-1].First != a.Last+1 {
				w.problem(Deleted, row, "renewals %d to %d are anchored nowhere", a.Last+1, out[n-1].First-1)
				return nil, nil
			}
			out = append(out, anchored{a, row})
			if a.Last <= out[0].Pruned {
				return out, nil
			}
			below = row.Index
		}
		if len(rows) < page {
			return out, nil
		}
	}
}

// anchor counts and hashes the renewals of one anchor anew.
func (w *walk) anchor(ctx context.Context, a anchored) error {
	sum := newRenewalSum()
	for at := a.First; at <= a.Last; {
		some, err := w.store.RenewalsBetween(ctx, at, a.Last, page)
		if err != nil {
			return err
		}
		for _, r := range some {
			sum.add(r)
			at = r.Seq + 1
		}
		if len(some) < page {
			break
		}
	}
	switch {
	case sum.n != a.Count:
		kind := Deleted
		if sum.n > a.Count {
			kind = Changed
		}
		w.problem(kind, a.row, "%d renewals of SVIDs were anchored in it, from %d to %d; there are %d", a.Count, a.First, a.Last, sum.n)
	case !bytes.Equal(sum.h.Sum(nil), a.SHA256):
		w.problem(Changed, a.row, "the renewals of SVIDs %d to %d are not those that were anchored in it", a.First, a.Last)
	default:
		w.report.Renewals += sum.n
	}
	return nil
}
