package audit

import (
	"context"
	"encoding/json"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

const (
	flushEvery   = 10 * time.Second
	renewalEvery = time.Minute
	// maxRenewals bounds what waits for a database that fails: a minute of 50,000 members
	// takes 20,000.
	maxRenewals = 100_000
)

// SessionRefusal counts the same refusals of a connector.
type SessionRefusal struct {
	Caller, Reason, Source string
	Count                  uint64
	First, Last            time.Time
}

// CollectorStore keeps what a Collector records.
type CollectorStore interface {
	Store
	RenewalStore
}

// Collector records what happens often, many at once: renewals of SVIDs, what peers report,
// and the counts of what Log.Record did not list.
type Collector struct {
	store CollectorStore
	trail *Log
	log   *zap.Logger

	mu       sync.Mutex
	serials  map[string]string // the newest one of each member
	renewals []Renewal
	lost     int // renewals that there was no room for
	reported []Event

	failing               logging.Condition
	onControl, onSessions atomic.Uint64 // proofs that members refused
}

// NewCollector returns a Collector that records in store.
func NewCollector(store CollectorStore, trail *Log) *Collector {
	return &Collector{store: store, trail: trail, log: trail.log, serials: map[string]string{}}
}

// Renewed notes an SVID that a peer proved to us; the same serial again is nothing new. It
// is recorded within a minute.
func (c *Collector) Renewed(r Renewal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Serial == "" || c.serials[r.Member] == r.Serial {
		return
	}
	c.serials[r.Member] = r.Serial
	r.Time = c.trail.now().UTC().Truncate(time.Millisecond)
	c.wait(r)
}

// wait needs the lock.
func (c *Collector) wait(all ...Renewal) {
	room := min(max(maxRenewals-len(c.renewals), 0), len(all))
	c.renewals = append(c.renewals, all[:room]...)
	c.lost += len(all) - room
}

// Sessions notes the sessions that a connector refused, and how many more it did
// not list.
func (c *Collector) Sessions(connector string, refused []SessionRefusal, more uint64) {
	target := "connector/" + connector
	for _, r := range refused {
		e := Event{Actor: r.Caller, Action: SessionOpen, Target: target, Outcome: Denied, Reason: r.Reason, Source: r.Source}
		if !c.trail.refusals.admit(e, r.Count, target) {
			continue
		}
		after, err := json.Marshal(map[string]any{"count": r.Count, "first_at": r.First, "last_at": r.Last, "reported_by": target})
		if err != nil {
			continue // times beyond the year 9999; the transport has refused those
		}
		e.After = string(after)
		c.report(e)
	}
	if more > 0 {
		c.trail.refusals.more(SessionOpen, target, "not listed by the connector", more)
	}
}

func (c *Collector) report(e Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reported = append(c.reported, e)
}

// Run records what was reported every 10 s, renewals and counts every minute, and all once
// more when ctx ends.
func (c *Collector) Run(ctx context.Context) error {
	t, renewals := time.NewTicker(flushEvery), time.NewTicker(renewalEvery)
	defer t.Stop()
	defer renewals.Stop()
	for {
		select {
		case <-t.C:
			c.flush(ctx, c.take(false))
		case <-renewals.C:
			c.flushRenewals(ctx)
		case <-ctx.Done():
			return c.last(context.WithoutCancel(ctx))
		}
	}
}

// last records what is left; a database that hangs does not hold up the end.
func (c *Collector) last(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c.Flush(ctx)
	return nil
}

// Flush records all that was collected and counted, now.
func (c *Collector) Flush(ctx context.Context) {
	c.flush(ctx, c.take(true))
	c.flushRenewals(ctx)
}

// flushRenewals keeps for the next minute what the store does not take.
func (c *Collector) flushRenewals(ctx context.Context) {
	c.mu.Lock()
	batch, lost := c.renewals, c.lost
	c.renewals, c.lost = nil, 0
	c.mu.Unlock()
	if lost > 0 {
		c.log.Error("SVID renewals not recorded: too many waited for the database", zap.Int("count", lost))
	}
	if len(batch) == 0 {
		return
	}
	added, err := c.store.AppendRenewals(ctx, batch)
	if err == nil {
		c.failing.Over(c.log, "")
		c.log.Debug("SVID renewals recorded", zap.Int("count", added))
		return
	}
	c.failing.Fails(c.log, zap.WarnLevel, "SVID renewals not recorded, retrying", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	since := c.renewals
	c.renewals = nil
	c.wait(batch...)
	c.wait(since...)
}

// flush records events; one that cannot be stored is logged, for there is nobody
// whose change could fail.
func (c *Collector) flush(ctx context.Context, events []Event) {
	for _, e := range events {
		if err := c.trail.record(ctx, c.store, e); err != nil {
			c.log.Error("audit event not recorded", zap.String("action", string(e.Action)), zap.String("after", e.After), zap.Error(err))
		}
	}
}

// take empties it; without all it leaves the counts of windows that have not ended.
func (c *Collector) take(all bool) []Event {
	c.mu.Lock()
	out := c.reported
	c.reported = nil
	c.mu.Unlock()
	return append(out, c.trail.refusals.take(all)...)
}
