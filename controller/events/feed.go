package events

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// Roster tells who went ONLINE or OFFLINE; fleet.Roster is it.
type Roster interface {
	Watch(ctx context.Context, tell func(w identity.Workload, s fleet.Status)) error
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
	Roster    Roster
	Deadlines Deadlines
	Now       func() time.Time
	Log       *zap.Logger

	failing logging.Condition
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

// Committed publishes what a transaction changed, as its audit events tell. It
// never blocks.
func (f *Feed) Committed(all []audit.Event) {
	for _, e := range all {
		if changed(e) {
			f.publish(e)
		}
		f.Hub.Publish(Audit, "", e.Action)
	}
}

// changed says whether anything is different now. A wrong fingerprint and a second
// opening of a claim link are refused, but noted.
func changed(e audit.Event) bool {
	return e.Outcome == audit.Success || e.Action == audit.RequestApprove || e.Action == audit.ClaimRefuse
}

// publish tells of everything that an event changed: the target, and for an
// enrollment the token, the host and the request too.
func (f *Feed) publish(e audit.Event) {
	names := []string{e.Target}
	switch {
	case e.Action == audit.Enroll || e.Action == audit.MemberRevoke:
		names = append(append(names, e.Actor), strings.Fields(e.Reason)...)
	case e.Action == audit.RequestApprove && e.Outcome == audit.Success: // its reason ends with the token
		names = append(names, e.Reason[strings.LastIndexByte(e.Reason, ' ')+1:])
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
