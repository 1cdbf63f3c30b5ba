package audit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// KeeperStore is what a Keeper works on.
type KeeperStore interface {
	VerifyStore
	Hashes
	Witnesses(ctx context.Context) ([]Witness, error)
	// LastAnchored is the newest renewal that an anchor covers; 0 before the first.
	LastAnchored(ctx context.Context) (seq int64, err error)
	// PrunableRenewals is the newest renewal of which all up to it are anchored and were
	// proved before a time; 0 if there is none.
	PrunableRenewals(ctx context.Context, before time.Time) (seq int64, err error)
	// PruneRenewals deletes up to limit renewals up to last, the oldest first, and counts them.
	PruneRenewals(ctx context.Context, last int64, limit int) (n int, err error)
	// Segments lists the complete segments whose events are there, by number.
	Segments(ctx context.Context) ([]Segment, error)
	PutSegment(ctx context.Context, s Segment) error
	// KeepTx runs fn in a transaction that commits only under this epoch of the
	// sequencer. Errors: ErrFenced.
	KeepTx(ctx context.Context, epoch int64, fn func(KeeperTx) error) error
}

// KeeperTx is one step of a Keeper.
type KeeperTx interface {
	Store
	LastAnchored(ctx context.Context) (seq int64, err error)
	// PutAnchor notes where the renewals of an anchor are, and of when.
	PutAnchor(ctx context.Context, a Anchor, from, to time.Time) error
	// RemoveSegment deletes the events of a segment, its checkpoints and its hashes, apart
	// from its root and those that are held.
	RemoveSegment(ctx context.Context, n int64, held map[int64]bool) error
}

// Retention is how long events stay. The hashes that prove that the log only grew stay for
// ever.
type Retention struct {
	Age   time.Duration // 0 is for ever
	Bytes int64         // of all complete segments; 0 is no limit
}

// KeeperConfig configures a Keeper.
type KeeperConfig struct {
	Store     KeeperStore
	Sequencer *Sequencer
	Trail     *Log
	Retention Retention
	Log       *zap.Logger
	Now       func() time.Time
}

// Keeper bounds what the audit log takes: it anchors the renewals of each hour in the log and
// removes those of 30 days ago, and it removes the segments that are beyond the retention.
// What it will remove it states in the log first, signed; it removes nothing before the
// sequencer has placed that event.
type Keeper struct {
	cfg     KeeperConfig
	failing logging.Condition

	mu    sync.Mutex
	state KeeperState
}

// NewKeeper returns a Keeper.
func NewKeeper(cfg KeeperConfig) *Keeper { return &Keeper{cfg: cfg} }

const (
	// keepFirst is before most restarts: one that comes every few minutes does not keep
	// the log from being pruned.
	keepFirst   = 10 * time.Second
	keepEvery   = 5 * time.Minute
	anchorEvery = time.Hour
	// prunedAtOnce bounds how long a step holds up other writers.
	prunedAtOnce = 5000
)

// Run keeps until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	t := time.NewTimer(keepFirst)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			t.Reset(keepEvery)
			if err := k.Step(ctx); err == nil {
				k.failing.Over(k.cfg.Log, "")
			} else if ctx.Err() == nil {
				k.failing.Fails(k.cfg.Log, zap.WarnLevel, "audit log not anchored or pruned, retrying", err)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// Step does what is due, where this controller sequences.
func (k *Keeper) Step(ctx context.Context) error {
	epoch := k.cfg.Sequencer.Epoch()
	if epoch == 0 {
		return nil
	}
	err := errors.Join(k.anchor(ctx, epoch), k.prune(ctx), k.seal(ctx), k.archive(ctx, epoch), k.remove(ctx, epoch))
	if errors.Is(err, ErrFenced) {
		return nil // another controller does it
	}
	return errors.Join(err, k.note(ctx, err))
}

func (k *Keeper) verifierKey() string { return k.cfg.Sequencer.cfg.Signer.VerifierKey }

// stated is the newest statement of an action that has its place in the log.
func stated[T statement](ctx context.Context, s VerifyStore, verifierKey string, a Action) (out T, row Row, err error) {
	row, found, err := s.NewestAudit(ctx, a)
	if err != nil || !found {
		return out, Row{Index: -1}, err
	}
	if out, err = readStatement[T](row.After, verifierKey); err != nil {
		return out, row, fmt.Errorf("%s event %d: %w: run grpccontroller audit verify", a, row.Index, err)
	}
	return out, row, nil
}

// anchor records the renewals since the last anchor, once the oldest of them is an hour old.
func (k *Keeper) anchor(ctx context.Context, epoch int64) error {
	anchored, err := k.cfg.Store.LastAnchored(ctx)
	if err != nil {
		return err
	}
	now := k.cfg.Now()
	last, row, err := stated[Anchor](ctx, k.cfg.Store, k.verifierKey(), SVIDAnchor)
	if err != nil {
		return err
	}
	prunable, err := k.cfg.Store.PrunableRenewals(ctx, now.Add(-KeepRenewals))
	if err != nil {
		return err
	}
	waiting, err := k.cfg.Store.RenewalsBetween(ctx, anchored+1, anchored+1, 1)
	if err != nil {
		return err
	}
	full := len(waiting) > 0 && now.Sub(waiting[0].Time) >= anchorEvery
	old := prunable > last.Pruned && now.Sub(row.Time) >= anchorEvery
	if !full && !old {
		return nil
	}
	a, from, to, err := k.sum(ctx, anchored)
	if err != nil {
		return err
	}
	a.Pruned = max(prunable, last.Pruned)
	if a.Signature, err = k.cfg.Sequencer.cfg.Signer.sign(a); err != nil {
		return err
	}
	return k.cfg.Store.KeepTx(ctx, epoch, func(tx KeeperTx) error {
		if at, err := tx.LastAnchored(ctx); err != nil || at != anchored {
			return errors.Join(err, ErrFenced)
		}
		if a.Count > 0 {
			if err := tx.PutAnchor(ctx, a, from, to); err != nil {
				return err
			}
		}
		return k.cfg.Trail.Record(ctx, tx, Event{Actor: "controller", Action: SVIDAnchor, Target: "audit", Outcome: Success, After: State(a)})
	})
}

// sum hashes the renewals after the last anchor. They do not change any more.
func (k *Keeper) sum(ctx context.Context, anchored int64) (a Anchor, from, to time.Time, err error) {
	sum := newRenewalSum()
	a = Anchor{First: anchored + 1, Last: anchored}
	for {
		some, err := k.cfg.Store.RenewalsBetween(ctx, a.Last+1, 1<<62, page)
		if err != nil {
			return a, from, to, err
		}
		for _, r := range some {
			sum.add(r)
			if from.IsZero() || r.Time.Before(from) {
				from = r.Time
			}
			if r.Time.After(to) {
				to = r.Time
			}
			a.Last = r.Seq
		}
		if len(some) < page {
			a.Count, a.SHA256 = sum.n, sum.h.Sum(nil)
			return a, from, to, nil
		}
	}
}

// prune deletes the renewals that the newest anchor says are removed.
func (k *Keeper) prune(ctx context.Context) error {
	last, _, err := stated[Anchor](ctx, k.cfg.Store, k.verifierKey(), SVIDAnchor)
	for n := prunedAtOnce; err == nil && last.Pruned > 0 && n == prunedAtOnce; {
		if n, err = k.cfg.Store.PruneRenewals(ctx, last.Pruned, prunedAtOnce); err == nil {
			k.removed(0, uint64(n)) //nolint:gosec // a number of rows
		}
	}
	return err
}

// seal notes the segments that have become complete.
func (k *Keeper) seal(ctx context.Context) error {
	have, err := k.cfg.Store.Segments(ctx)
	if err != nil {
		return err
	}
	gone, _, err := stated[Archived](ctx, k.cfg.Store, k.verifierKey(), LogArchive)
	if err != nil {
		return err
	}
	next := wholeSegments(gone.Records)
	if n := len(have); n > 0 {
		next = max(next, have[n-1].Number+1)
	}
	for ; next < wholeSegments(k.cfg.Sequencer.Head().Size); next++ {
		s := Segment{Number: next}
		err := eachRow(ctx, k.cfg.Store, next, func(r Row) error {
			leaf, err := r.Leaf(r.LeafVersion)
			s.Bytes += int64(len(leaf)) + perRecord
			if r.Time.After(s.Newest) {
				s.Newest = r.Time
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("segment %d of the audit log: %w", next, err)
		}
		if err := k.cfg.Store.PutSegment(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// eachRow reads the events of a segment.
func eachRow(ctx context.Context, s VerifyStore, n int64, fn func(Row) error) error {
	for at, end := segmentStart(n), segmentStart(n+1); at < end; {
		rows, err := s.AuditRows(ctx, at, int(min(page, end-at)))
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.Index != at {
				return fmt.Errorf("event %d is missing: run grpccontroller audit verify", at)
			}
			if err := fn(r); err != nil {
				return err
			}
			at++
		}
		if len(rows) == 0 {
			return fmt.Errorf("event %d is missing: run grpccontroller audit verify", at)
		}
	}
	return nil
}

// archive states which segments are beyond the retention, and are to be removed.
func (k *Keeper) archive(ctx context.Context, epoch int64) error {
	have, err := k.cfg.Store.Segments(ctx)
	if err != nil {
		return err
	}
	gone, _, err := stated[Archived](ctx, k.cfg.Store, k.verifierKey(), LogArchive)
	if err != nil {
		return err
	}
	n := k.beyond(have)
	if n == 0 || segmentStart(have[n-1].Number+1) <= gone.Records {
		return nil
	}
	for _, s := range have[:n] {
		// Evidence of tampering is not what retention is for.
		p, err := verifySegment(ctx, k.cfg.Store, s.Number)
		if err != nil {
			return err
		}
		if p != nil {
			return fmt.Errorf("segment %d of the audit log is not removed: %w: run grpccontroller audit verify", s.Number, p)
		}
	}
	a := Archived{Records: segmentStart(have[n-1].Number + 1)}
	if a.Root, err = tlog.TreeHash(a.Records, reader{ctx: ctx, store: k.cfg.Store}); err != nil {
		return err
	}
	if a.Signature, err = k.cfg.Sequencer.cfg.Signer.sign(a); err != nil {
		return err
	}
	return k.cfg.Store.KeepTx(ctx, epoch, func(tx KeeperTx) error {
		return k.cfg.Trail.Record(ctx, tx, Event{Actor: "controller", Action: LogArchive, Target: "audit", Outcome: Success, After: State(a)})
	})
}

// beyond counts the oldest segments that are too old, or that there are too many bytes of.
func (k *Keeper) beyond(have []Segment) (n int) {
	var total int64
	for _, s := range have {
		total += s.Bytes
	}
	keep := k.cfg.Retention
	oldest := k.cfg.Now().Add(-keep.Age)
	for _, s := range have {
		tooOld := keep.Age > 0 && s.Newest.Before(oldest)
		tooMuch := keep.Bytes > 0 && total > keep.Bytes
		if !tooOld && !tooMuch {
			return n
		}
		total -= s.Bytes
		n++
	}
	return n
}

// remove deletes what the log says is archived.
func (k *Keeper) remove(ctx context.Context, epoch int64) error {
	gone, row, err := stated[Archived](ctx, k.cfg.Store, k.verifierKey(), LogArchive)
	if err != nil || gone.Records == 0 || row.Index >= k.cfg.Sequencer.Head().Size {
		return err
	}
	have, err := k.cfg.Store.Segments(ctx)
	if err != nil {
		return err
	}
	witnesses, err := k.cfg.Store.Witnesses(ctx)
	if err != nil {
		return err
	}
	for _, s := range have {
		if segmentStart(s.Number+1) > gone.Records {
			break
		}
		checkpoints, err := k.cfg.Store.Checkpoints(ctx, segmentStart(s.Number), SegmentSize)
		if err != nil {
			return err
		}
		held := heldPositions(s.Number, witnesses, checkpoints)
		if err := k.cfg.Store.KeepTx(ctx, epoch, func(tx KeeperTx) error { return tx.RemoveSegment(ctx, s.Number, held) }); err != nil {
			return err
		}
		k.removed(SegmentSize, 0)
		k.cfg.Log.Info("events beyond the retention removed", zap.Int64("from", segmentStart(s.Number)), zap.Int64("to", segmentStart(s.Number+1)-1))
	}
	return nil
}
