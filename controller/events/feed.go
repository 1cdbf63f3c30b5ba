package events

import (
	"context"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Roster tells who went ONLINE or OFFLINE; fleet.Roster is it.
type Roster interface {
	Watch(ctx context.Context, tell func(w identity.Workload, s fleet.Status)) error
}

// Tokens says which tokens time has ended.
type Tokens interface {
	ExpiredTokens(ctx context.Context, after, until time.Time) ([]string, error)
}

// lookEvery is how often expired tokens are looked for.
const lookEvery = time.Second

// Feed fills a Hub.
type Feed struct {
	Hub    *Hub
	Roster Roster
	Tokens Tokens
	Now    func() time.Time
	Log    *zap.Logger
}

// Run publishes what time changes, until ctx ends.
func (f *Feed) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return f.Roster.Watch(ctx, func(w identity.Workload, s fleet.Status) {
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

// expire publishes the tokens that expired since a time, and returns until when it
// has looked.
func (f *Feed) expire(ctx context.Context, since time.Time) time.Time {
	now := f.Now()
	ids, err := f.Tokens.ExpiredTokens(ctx, since, now)
	if err != nil {
		if ctx.Err() == nil {
			f.Log.Warn("expired tokens not looked for, retrying", zap.Error(err))
		}
		return since
	}
	for _, id := range ids {
		f.Hub.Publish(Token, id, "expired")
	}
	return now
}

// Committed publishes what a transaction changed, as its audit events tell. It
// never blocks.
func (f *Feed) Committed(all []audit.Event) {
	for _, e := range all {
		if e.Outcome == audit.Success {
			f.publish(e)
		}
		f.Hub.Publish(Audit, "", e.Action)
	}
}

// publish tells of everything that an event names: the target, and for an
// enrollment the token and the host too.
func (f *Feed) publish(e audit.Event) {
	names := []string{e.Target}
	if e.Action == audit.Enroll || e.Action == audit.MemberRevoke {
		names = append(names, e.Actor, e.Reason)
	}
	for _, name := range names {
		kind, id, ok := strings.Cut(name, "/")
		if ok && isThing(Kind(kind)) {
			f.Hub.Publish(Kind(kind), id, e.Action)
		}
	}
}

func isThing(k Kind) bool {
	for _, known := range Kinds() {
		if k == known && k != Audit {
			return true
		}
	}
	return false
}
