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
	tick      = 250 * time.Millisecond
)

// SequencerConfig configures a Sequencer.
type SequencerConfig struct {
	Store SequencerStore
	// Holder names this controller: the next start of the same one takes over at
	// once, another one when the lease has run out.
	Holder string
	Signer *Signer
	// Appended has a value when an event was recorded; see Log.Appended.
	Appended <-chan struct{}
	// Result hears of each round; nil is a good one.
	Result func(error)
	Log    *zap.Logger
	Now    func() time.Time
}

// Sequencer gives events their place in the log and signs checkpoints.
type Sequencer struct {
	cfg SequencerConfig

	// Of Run only.
	epoch   int64 // 0 while another one sequences
	renewAt time.Time
	failing logging.Condition

	mu   sync.Mutex
	head SignedCheckpoint
	subs map[chan struct{}]struct{}
}

// NewSequencer returns a Sequencer that does nothing until it runs.
func NewSequencer(cfg SequencerConfig) *Sequencer {
	return &Sequencer{cfg: cfg, subs: map[chan struct{}]struct{}{}}
}

// Run sequences until ctx ends. A fault is reported and tried again: the changes
// that are recorded meanwhile wait in the store.
func (s *Sequencer) Run(ctx context.Context) error {
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		s.report(ctx, s.Step(ctx))
		select {
		case <-s.cfg.Appended:
		case <-t.C:
		case <-ctx.Done():
			return s.release(context.WithoutCancel(ctx))
		}
	}
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
			s.epoch = 0
			s.cfg.Log.Warn("another controller sequences the audit log now", zap.Error(err))
			break
		}
		if err != nil {
			return err
		}
		if !more {
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
	case s.epoch == 0:
		epoch, ok, err := s.cfg.Store.AcquireSequencer(ctx, Lease{Holder: s.cfg.Holder, Now: now, Until: now.Add(lease)})
		if err != nil || !ok {
			return false, err
		}
		s.epoch = epoch
		s.cfg.Log.Info("sequencing the audit log", zap.Int64("epoch", epoch))
	case !now.Before(s.renewAt):
		err := s.cfg.Store.RenewSequencer(ctx, s.epoch, now.Add(lease))
		if errors.Is(err, ErrFenced) {
			s.epoch = 0
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
	err = s.cfg.Store.SequenceTx(ctx, s.epoch, func(tx SequenceTx) error {
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

func (s *Sequencer) report(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if s.cfg.Result != nil {
		s.cfg.Result(err)
	}
	if err != nil {
		s.failing.Fails(s.cfg.Log, zap.WarnLevel, "audit log not sequenced, retrying", err)
		return
	}
	s.failing.Over(s.cfg.Log, "audit log sequenced again")
}

// release lets another controller begin at once.
func (s *Sequencer) release(ctx context.Context) error {
	if s.epoch == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := s.cfg.Store.RenewSequencer(ctx, s.epoch, s.cfg.Now()); err != nil && !errors.Is(err, ErrFenced) {
		s.cfg.Log.Warn("audit sequencer's lease not given up", zap.Error(err))
	}
	return nil
}

// Head is the newest checkpoint.
func (s *Sequencer) Head() SignedCheckpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.head
}

// Subscribe returns a channel that gets a value when the head has moved, and a
// function that ends it.
func (s *Sequencer) Subscribe() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs[c] = struct{}{}
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subs, c)
	}
}

func (s *Sequencer) publish(head SignedCheckpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if head.Size == s.head.Size && head.Note == s.head.Note {
		return
	}
	s.head = head
	for c := range s.subs {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
