package recovery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// Keeper knows the timeline of a running controller, and the recovery key as soon as
// there is one. It follows the change log: a command of another process makes the key.
type Keeper struct {
	store    Store
	log      *zap.Logger
	follower *changelog.Follower
	first    Timeline // its number stays, and a new key signs its statement too

	known topic.Topic[*known]
}

// known never changes: another key makes another one.
type known struct {
	key  Key
	said Said
}

// Said is what a controller sends to its hosts. RecoveryKey is empty while there is none.
type Said struct {
	RecoveryKey string
	Timeline    Timeline
}

// Open reads both.
func Open(ctx context.Context, s Store, changes changelog.Log, log *zap.Logger) (*Keeper, error) {
	k := &Keeper{store: s, log: log}
	k.follower = changelog.NewFollower(changelog.Config{Name: "recovery key", Log: changes, Reader: (*reader)(k), Now: time.Now, Logger: log})
	var err error
	var key Key
	if k.first, err = s.Timeline(ctx); err == nil {
		key, err = s.RecoveryKey(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("timeline of this controller: %w", err)
	}
	k.known.Set(&known{key, Said{key.Public, k.first}})
	return k, nil
}

// Number is that of the timeline. It does not change while the controller runs.
func (k *Keeper) Number() uint64 { return k.first.Now() }

// Timeline is what began it.
func (k *Keeper) Timeline() Timeline { return k.Say().Timeline }

// Key is the public half of the recovery key.
func (k *Keeper) Key() Key { return k.known.Get().key }

// Say is what to send to a host: the same pointer until there is something else, of which
// Notify informs. It must not be changed.
func (k *Keeper) Say() *Said { return &k.known.Get().said }

// Notify gives a hint when there is something else to say.
func (k *Keeper) Notify(h topic.Hint) (stop func()) { return k.known.Notify(h) }

// Run looks for a key that a command made, until ctx ends.
func (k *Keeper) Run(ctx context.Context) error { return k.follower.Run(ctx) }

// Position is that of its follower in the change log.
func (k *Keeper) Position() uint64 { return k.follower.Position() }

// Refresh takes what was committed before the call.
func (k *Keeper) Refresh(ctx context.Context) error { return k.follower.CatchUp(ctx) }

// reader implements changelog.Reader.
type reader Keeper

// Apply implements changelog.Reader.
func (r *reader) Apply(ctx context.Context, changes []changelog.Change) error {
	if !slices.ContainsFunc(changes, func(c changelog.Change) bool { return c.Kind == changelog.Recovery }) {
		return nil
	}
	return r.Sync(ctx)
}

// Settled implements changelog.Reader.
func (r *reader) Settled(context.Context) error { return nil }

// Sync implements changelog.Reader. A timeline that a command begins under a running
// controller is the next one's.
func (r *reader) Sync(ctx context.Context) error {
	now, err := r.store.RecoveryKey(ctx)
	if err != nil {
		return fmt.Errorf("recovery key: %w", err)
	}
	begun, err := r.store.Timeline(ctx) // after the key, which is written with it
	if err != nil {
		return fmt.Errorf("timeline: %w", err)
	}
	last := r.known.Get()
	if now.Public == last.key.Public {
		return nil
	}
	r.log.Info("recovery key was made: hosts pin its public half", zap.String("recovery_key", now.Public))
	next := &known{now, Said{now.Public, last.said.Timeline}}
	if begun.Number == r.first.Number {
		next.said.Timeline.Statement = begun.Statement
	}
	r.known.Set(next)
	return nil
}
