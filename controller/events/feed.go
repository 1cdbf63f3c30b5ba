package events

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// Roster reports who went ONLINE or OFFLINE; presence.Roster is it.
type Roster interface {
	Watch(ctx context.Context, report func(w identity.Workload, s presence.Status)) error
}

// Deadlines says what time has ended.
type Deadlines interface {
	ExpiredTokens(ctx context.Context, after, until time.Time) ([]string, error)
	ExpiredRequests(ctx context.Context, after, until time.Time) ([]string, error)
}

// lookEvery is how often what has expired is looked for.
const lookEvery = time.Second

// Feed fills a Hub.
type Feed struct {
	Hub       *Hub
	Changes   changelog.Log
	Roster    Roster
	Deadlines Deadlines
	Now       func() time.Time
	Log       *zap.Logger

	failing  logging.Condition
	follower atomic.Pointer[changelog.Follower] // while it runs
}

// Position is that of its follower in the change log; 0 before Run.
func (f *Feed) Position() uint64 {
	if c := f.follower.Load(); c != nil {
		return c.Position()
	}
	return 0
}

// Run publishes what commits, sessions and time change, until ctx ends.
func (f *Feed) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	changes := changelog.NewFollower(changelog.Config{Name: "events", Log: f.Changes, Reader: f, Now: f.Now, Logger: f.Log})
	f.follower.Store(changes)
	g.Go(func() error { return changes.Run(ctx) })
	g.Go(func() error {
		return f.Roster.Watch(ctx, func(w identity.Workload, s presence.Status) {
			f.Hub.Publish(Kind(w.Kind), w.ID, string(s))
		})
	})
	g.Go(func() error {
		t := time.NewTicker(lookEvery)
		defer t.Stop()
		since := f.Now()
		for {
			select {
			case <-t.C:
				since = f.expire(ctx, since)
			case <-ctx.Done():
				return nil
			}
		}
	})
	return g.Wait()
}

// expire publishes the tokens and requests that expired since a time, and returns
// until when it has looked.
func (f *Feed) expire(ctx context.Context, since time.Time) time.Time {
	now := f.Now()
	tokens, err := f.Deadlines.ExpiredTokens(ctx, since, now)
	requests, failed := f.Deadlines.ExpiredRequests(ctx, since, now)
	if err := errors.Join(err, failed); err != nil {
		if ctx.Err() == nil {
			f.failing.Fails(f.Log, zap.WarnLevel, "expired tokens and requests not looked up, retrying", err)
		}
		return since
	}
	f.failing.Over(f.Log, "")
	for _, id := range tokens {
		f.Hub.Publish(Token, id, "expired")
	}
	for _, id := range requests {
		f.Hub.Publish(Request, id, "expired")
	}
	return now
}

// Sync implements changelog.Reader. Readers of the Hub ask for everything when they
// begin; those that have begun have to do so again.
func (f *Feed) Sync(context.Context) error {
	f.Hub.Lose()
	return nil
}

// Apply implements changelog.Reader. It never fails.
func (f *Feed) Apply(_ context.Context, changes []changelog.Change) error {
	for _, c := range changes {
		// What a policy is, nothing that reads events shows.
		if kind := Kind(c.Kind); slices.Contains(Kinds(), kind) {
			f.Hub.Publish(kind, c.ID, string(c.Op))
		}
	}
	return nil
}

// Settled implements changelog.Reader.
func (f *Feed) Settled(context.Context) error { return nil }
