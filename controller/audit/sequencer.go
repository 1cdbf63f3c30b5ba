package audit

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// ErrFenced ends a batch whose epoch another sequencer has taken over.
var ErrFenced = errors.New("another sequencer has taken over")

// Row is an event as it is stored.
type Row struct {
	Seq         int64 // order of insertion
	Index       int64 // place in the log; -1 while it has none
	LeafVersion int
	Event
}

// SignedCheckpoint is a checkpoint as it is stored.
type SignedCheckpoint struct {
	Size int64
	Time time.Time
	Note string
}

// Lease asks for the right to sequence.
type Lease struct {
	Holder     string
	Now, Until time.Time
}

// SequencerStore is what a sequencer works on.
type SequencerStore interface {
	// AcquireSequencer starts a new epoch for the holder, unless another one's lease
	// runs. Epochs only grow.
	AcquireSequencer(ctx context.Context, l Lease) (epoch int64, ok bool, err error)
	// RenewSequencer moves the end of the lease; at its own end it gives it up.
	// Errors: ErrFenced.
	RenewSequencer(ctx context.Context, epoch int64, until time.Time) error
	// AuditPending says whether events wait for their index.
	AuditPending(ctx context.Context) (bool, error)
	// NewestCheckpoint is the zero value while there is none.
	NewestCheckpoint(ctx context.Context) (SignedCheckpoint, error)
	// SequenceTx runs fn in a transaction that commits only under this epoch.
	// Errors: ErrFenced.
	SequenceTx(ctx context.Context, epoch int64, fn func(SequenceTx) error) error
}

// SequenceTx is one batch.
type SequenceTx interface {
	Hashes
	NewestCheckpoint(ctx context.Context) (SignedCheckpoint, error)
	// PendingAudit lists events without an index in the order of their insertion.
	PendingAudit(ctx context.Context, limit int) ([]Row, error)
	PlaceAudit(ctx context.Context, seq, index int64) error
	PutAuditHashes(ctx context.Context, first int64, hashes []tlog.Hash) error
	PutCheckpoint(ctx context.Context, c SignedCheckpoint) error
}

// Intervals of a sequencer.
const (
	batchSize = 500
	lease     = 15 * time.Second
	renewal   = lease / 3
	// compareEvery is how often events without a place are looked for though the change
	// log names none.
	compareEvery = 10 * time.Minute
)

// SequencerConfig configures a Sequencer.
type SequencerConfig struct {
	Store SequencerStore
	// Holder names this controller: the next start of the same one takes over at
	// once, another one when the lease has run out.
	Holder string
	Signer *Signer
	// Changes names the events that were recorded.
	Changes changelog.Log
	// Result is called after each round; nil is a good one. Optional.
	Result func(error)
	Log    *zap.Logger
	Now    func() time.Time
}

// Sequencer gives events their place in the log and signs checkpoints. It follows the
// change log, and asks for events without a place only after the log has named some.
type Sequencer struct {
	cfg      SequencerConfig
	follower *changelog.Follower
	head     topic.Topic[SignedCheckpoint]

	epoch atomic.Int64 // 0 while another one sequences

	// Of the follower's steps only, one at a time.
	renewAt time.Time
	pending bool // there may be events without a place
}

// NewSequencer returns a Sequencer that does nothing until it runs.
func NewSequencer(cfg SequencerConfig) *Sequencer {
	s := &Sequencer{cfg: cfg, pending: true}
	s.follower = changelog.NewFollower(changelog.Config{
		Name: "sequencer", Log: cfg.Changes, Reader: sequencing{s}, SyncEvery: compareEvery, Result: cfg.Result, Now: cfg.Now, Logger: cfg.Log,
	})
	return s
}

// Run sequences until ctx ends. A fault is reported and tried again: the changes
// that are recorded meanwhile wait in the store.
func (s *Sequencer) Run(ctx context.Context) error {
	err := s.follower.Run(ctx)
	s.release(context.WithoutCancel(ctx))
	return err
}

// CatchUp sequences what was committed before the call, where this one sequences.
func (s *Sequencer) CatchUp(ctx context.Context) error { return s.follower.CatchUp(ctx) }

// Position is that of its follower in the change log.
func (s *Sequencer) Position() uint64 { return s.follower.Position() }

// sequencing implements changelog.Reader.
type sequencing struct{ *Sequencer }

// Sync has the store asked what is without a place.
func (s sequencing) Sync(context.Context) error {
	s.pending = true
	return nil
}

// Apply notes that events were recorded.
func (s sequencing) Apply(_ context.Context, changes []changelog.Change) error {
	for _, c := range changes {
		s.pending = s.pending || c.Kind == changelog.Audit
	}
	return nil
}

// Settled is a round, if there is something to do.
func (s sequencing) Settled(ctx context.Context) error {
	if s.epoch.Load() != 0 && !s.pending && s.cfg.Now().Before(s.renewAt) {
		return nil
	}
	return s.Step(ctx)
}

// Step is one round: hold the lease, sequence what is pending, learn the head.
func (s *Sequencer) Step(ctx context.Context) error {
	held, err := s.hold(ctx)
	if err != nil {
		return err
	}
	for held {
		more, err := s.batch(ctx)
		if errors.Is(err, ErrFenced) {
			s.epoch.Store(0)
			s.cfg.Log.Warn("another controller sequences the audit log now", zap.Error(err))
			break
		}
		if err != nil {
			return err
		}
		if !more {
			s.pending = false
			break
		}
	}
	head, err := s.cfg.Store.NewestCheckpoint(ctx)
	if err != nil {
		return err
	}
	s.publish(head)
	return nil
}

// hold acquires or renews the lease.
func (s *Sequencer) hold(ctx context.Context) (bool, error) {
	now := s.cfg.Now()
	switch {
	case s.epoch.Load() == 0:
		epoch, ok, err := s.cfg.Store.AcquireSequencer(ctx, Lease{Holder: s.cfg.Holder, Now: now, Until: now.Add(lease)})
		if err != nil || !ok {
			return false, err
		}
		s.epoch.Store(epoch)
		s.cfg.Log.Info("sequencing the audit log", zap.Int64("epoch", epoch))
	case !now.Before(s.renewAt):
		err := s.cfg.Store.RenewSequencer(ctx, s.epoch.Load(), now.Add(lease))
		if errors.Is(err, ErrFenced) {
			s.epoch.Store(0)
			return false, nil
		}
		if err != nil {
			return false, err
		}
	default:
		return true, nil
	}
	s.renewAt = now.Add(renewal)
	return true, nil
}

// batch sequences up to batchSize events in one transaction: killed anywhere, it
// has happened or it has not.
func (s *Sequencer) batch(ctx context.Context) (more bool, err error) {
	pending, err := s.cfg.Store.AuditPending(ctx)
	if err != nil || !pending {
		return false, err
	}
	err = s.cfg.Store.SequenceTx(ctx, s.epoch.Load(), func(tx SequenceTx) error {
		rows, err := tx.PendingAudit(ctx, batchSize)
		if err != nil || len(rows) == 0 {
			return err
		}
		more = len(rows) == batchSize
		return s.append(ctx, tx, rows)
	})
	if err != nil {
		return false, fmt.Errorf("sequence audit events: %w", err)
	}
	return more, nil
}

func (s *Sequencer) append(ctx context.Context, tx SequenceTx, rows []Row) error {
	size, err := s.size(ctx, tx)
	if err != nil {
		return err
	}
	r := reader{ctx: ctx, store: tx, added: map[int64]tlog.Hash{}}
	first := tlog.StoredHashIndex(0, size)
	var added []tlog.Hash
	for _, row := range rows {
		leaf, err := row.LeafHash(row.LeafVersion)
		if err != nil {
			return err
		}
		hashes, err := tlog.StoredHashesForRecordHash(size, leaf, r)
		if err != nil {
			return err
		}
		for _, h := range hashes {
			r.added[first+int64(len(added))] = h
			added = append(added, h)
		}
		if err := tx.PlaceAudit(ctx, row.Seq, size); err != nil {
			return err
		}
		size++
	}
	root, err := tlog.TreeHash(size, r)
	if err != nil {
		return err
	}
	signed, err := s.cfg.Signer.Sign(witness.Checkpoint{Origin: s.cfg.Signer.Origin(), Size: size, Root: root})
	if err != nil {
		return err
	}
	if err := tx.PutAuditHashes(ctx, first, added); err != nil {
		return err
	}
	return tx.PutCheckpoint(ctx, SignedCheckpoint{Size: size, Time: s.cfg.Now().UTC(), Note: signed})
}

// size is that of the newest checkpoint, which must be ours: a log is not
// continued on top of what somebody else signed, or under another key.
func (s *Sequencer) size(ctx context.Context, tx SequenceTx) (int64, error) {
	newest, err := tx.NewestCheckpoint(ctx)
	if err != nil || newest.Size == 0 {
		return 0, err
	}
	c, err := witness.Open([]byte(newest.Note), s.cfg.Signer.VerifierKey)
	if err != nil {
		return 0, fmt.Errorf("newest checkpoint: %w: run grpccontroller audit verify", err)
	}
	if c.Size != newest.Size {
		return 0, fmt.Errorf("newest checkpoint is stored as one of %d records but signed for %d: run grpccontroller audit verify", newest.Size, c.Size)
	}
	return c.Size, nil
}

// release lets another controller begin at once.
func (s *Sequencer) release(ctx context.Context) {
	if s.epoch.Load() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := s.cfg.Store.RenewSequencer(ctx, s.epoch.Load(), s.cfg.Now()); err != nil && !errors.Is(err, ErrFenced) {
		s.cfg.Log.Warn("audit sequencer's lease not given up", zap.Error(err))
	}
}

// Epoch is under which this one sequences; 0 while another one does.
func (s *Sequencer) Epoch() int64 { return s.epoch.Load() }

// Head is the newest checkpoint.
func (s *Sequencer) Head() SignedCheckpoint { return s.head.Get() }

// Subscribe returns a channel that gets a value when the head has moved, and a
// function that ends it.
func (s *Sequencer) Subscribe() (<-chan struct{}, func()) { return s.head.Subscribe() }

func (s *Sequencer) publish(head SignedCheckpoint) {
	if now := s.head.Get(); head.Size != now.Size || head.Note != now.Note {
		s.head.Set(head)
	}
}
