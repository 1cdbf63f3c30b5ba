package changelog

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

const (
	// PageSize is how many changes a Reader gets at once.
	PageSize = 500
	// lookEvery is how late a change is taken whose wake-up was lost, and how soon a
	// step that failed is tried again.
	lookEvery = time.Second
)

// Config configures NewFollower.
type Config struct {
	// Name is of the Reader, for logs.
	Name   string
	Log    Log
	Reader Reader
	// SyncEvery has the Reader compare with everything there is; 0 is never.
	SyncEvery time.Duration
	// Result is called with each step of Run; nil is a good one. Optional.
	Result func(error)
	Now    func() time.Time
	Logger *zap.Logger
}

// Follower takes a Reader through the log. Its position is in memory: it begins with
// a Sync.
type Follower struct {
	cfg   Config
	pulse health.Pulse // asks Run whether it lives

	position atomic.Uint64 // at, for those who do not wait for a step

	mu       sync.Mutex // one step at a time
	at       uint64     // the Reader has taken everything up to here
	syncedAt time.Time  // zero: it has to Sync
}

// NewFollower returns a Follower that has read nothing.
func NewFollower(cfg Config) *Follower {
	return &Follower{cfg: cfg, pulse: make(health.Pulse)}
}

// again is how often what is committed while the Reader reads is read before it settles: a
// store that is written to all the time must not keep it from that.
const again = 16

// CatchUp has the Reader take everything that was committed before the call. What was committed
// since comes along: the Reader may have read some rows of a transaction and others of before it.
func (f *Follower) CatchUp(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range again {
		to, err := f.cfg.Log.ChangePosition(ctx)
		if err != nil {
			return fmt.Errorf("position of the change log: %w", err)
		}
		if to == f.at && !f.syncDue() {
			break
		}
		if err := f.catchUp(ctx, to); err != nil {
			return err
		}
	}
	return f.cfg.Reader.Settled(ctx)
}

func (f *Follower) catchUp(ctx context.Context, to uint64) error {
	if f.syncDue() || to < f.at { // a log that is shorter than before is another one
		return f.sync(ctx, to)
	}
	for f.at < to {
		page, err := f.cfg.Log.Changes(ctx, f.at, PageSize)
		if err != nil {
			return fmt.Errorf("change log after %d: %w", f.at, err)
		}
		if !follows(f.at, page) {
			return f.leap(ctx)
		}
		if err := f.cfg.Reader.Apply(ctx, page); err != nil {
			return err
		}
		f.moved(page[len(page)-1].Seq)
	}
	return nil
}

// follows says that a page is not empty and continues after a position without a hole.
func follows(at uint64, page []Change) bool {
	for i, c := range page {
		if c.Seq != at+1+uint64(i) {
			return false
		}
	}
	return len(page) > 0
}

func (f *Follower) syncDue() bool {
	return f.syncedAt.IsZero() || f.cfg.SyncEvery > 0 && f.cfg.Now().Sub(f.syncedAt) >= f.cfg.SyncEvery
}

// leap is for a Follower that was so slow that what it should read next was pruned.
func (f *Follower) leap(ctx context.Context) error {
	to, err := f.cfg.Log.ChangePosition(ctx)
	if err != nil {
		return fmt.Errorf("position of the change log: %w", err)
	}
	f.cfg.Logger.Info("change log was pruned before it was read, everything is read anew",
		zap.String("follower", f.cfg.Name), zap.Uint64("position", f.at), zap.Uint64("newest", to))
	return f.sync(ctx, to)
}

// sync continues after a position that was read before everything else: what changes
// meanwhile comes again.
func (f *Follower) sync(ctx context.Context, to uint64) error {
	began := f.cfg.Now()
	f.syncedAt = time.Time{}
	if err := f.cfg.Reader.Sync(ctx); err != nil {
		return err
	}
	f.moved(to)
	f.syncedAt = began
	return nil
}

// moved needs f.mu.
func (f *Follower) moved(to uint64) {
	f.at = to
	f.position.Store(to)
}

// Position is the newest change that the Reader has taken; 0 before the first Sync. It
// does not wait for a step that runs.
func (f *Follower) Position() uint64 { return f.position.Load() }

// Run follows the log until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	// Subscribed before the first look: nothing is committed in between unseen.
	woken, unsubscribe := f.cfg.Log.SubscribeChanges()
	defer unsubscribe()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var failing logging.Condition
	for {
		wake := woken
		err := f.CatchUp(ctx)
		if ctx.Err() == nil && f.cfg.Result != nil {
			f.cfg.Result(err)
		}
		if err == nil {
			failing.Over(f.cfg.Logger, "changes are followed again", zap.String("follower", f.cfg.Name))
		} else if ctx.Err() == nil {
			failing.Fails(f.cfg.Logger, zap.WarnLevel, "changes not followed, retrying", err, zap.String("follower", f.cfg.Name))
			wake = nil // not more often than every second
		}
		if !f.rest(ctx, wake, look.C) {
			return nil
		}
	}
}

// rest returns when there is something to look for; false is the end of ctx.
func (f *Follower) rest(ctx context.Context, woken <-chan struct{}, look <-chan time.Time) bool {
	for {
		select {
		case <-f.pulse:
		case <-woken:
			return true
		case <-look:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// Alive asks Run whether it lives. A database that is away is no reason to restart:
// between two tries it answers.
func (f *Follower) Alive(ctx context.Context) error {
	if err := f.pulse.Check(ctx); err != nil {
		return fmt.Errorf("%s: %w", f.cfg.Name, err)
	}
	return nil
}
