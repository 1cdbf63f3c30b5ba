package recovery

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Keeper knows the timeline of a running controller, and the recovery key as soon as
// there is one.
type Keeper struct {
	store Store
	every time.Duration
	log   *zap.Logger

	mu       sync.Mutex
	timeline Timeline // its number stays, and a new key signs its statement too
	key      Key
	changed  chan struct{} // closed when the key is another one
}

// Said is what a controller tells its hosts. RecoveryKey is empty while there is none.
type Said struct {
	RecoveryKey string
	Timeline    Timeline
}

// Open reads both. every is how often it looks for another key.
func Open(ctx context.Context, s Store, every time.Duration, log *zap.Logger) (*Keeper, error) {
	k := &Keeper{store: s, every: every, log: log, changed: make(chan struct{})}
	var err error
	if k.timeline, err = s.Timeline(ctx); err == nil {
		k.key, err = s.RecoveryKey(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("timeline of this controller: %w", err)
	}
	return k, nil
}

// Number is that of the timeline. It does not change while the controller runs.
func (k *Keeper) Number() uint64 { return k.Timeline().Now() }

// Timeline is what began it.
func (k *Keeper) Timeline() Timeline {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.timeline
}

// Key is the public half of the recovery key.
func (k *Keeper) Key() Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.key
}

// Say is what to tell a host, and a channel that is closed when there is something else.
func (k *Keeper) Say() (Said, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return Said{RecoveryKey: k.key.Public, Timeline: k.timeline}, k.changed
}

// Run looks for a key that a command made, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error {
	t := time.NewTicker(k.every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			k.look(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

func (k *Keeper) look(ctx context.Context) {
	now, err := k.store.RecoveryKey(ctx)
	if err != nil {
		return // the check of the store says so
	}
	begun, err := k.store.Timeline(ctx) // after the key, which is written with it
	if err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Public == k.key.Public {
		return
	}
	k.log.Info("recovery key was made: hosts pin its public half", zap.String("recovery_key", now.Public))
	k.key = now
	if begun.Number == k.timeline.Number {
		k.timeline.Statement = begun.Statement
	}
	close(k.changed)
	k.changed = make(chan struct{})
}
