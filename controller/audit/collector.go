package audit

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

const (
	flushEvery    = 10 * time.Second
	svidsPerEvent = 64 // fits maxState
)

// SVID is what a peer proved.
type SVID struct {
	Member    string    `json:"member"`
	Serial    string    `json:"serial"`
	Authority string    `json:"authority"`
	NotAfter  time.Time `json:"not_after"`
	// Former is the serial before; empty at the first sight since the controller started.
	Former string `json:"former,omitempty"`
}

// SessionRefusal counts the same refusals of a connector.
type SessionRefusal struct {
	Caller, Reason, Source string
	Count                  uint64
	First, Last            time.Time
}

// Collector records what happens often, many at once: SVIDs, what peers report, and
// the counts of what Log.Record did not list.
type Collector struct {
	store Store
	trail *Log
	log   *zap.Logger

	mu       sync.Mutex
	serials  map[string]string
	svids    []SVID
	reported []Event
	full     topic.Hint // there is a full event of SVIDs

	onControl, onSessions atomic.Uint64 // proofs that members refused
}

// NewCollector returns a Collector that records in store.
func NewCollector(store Store, trail *Log) *Collector {
	return &Collector{store: store, trail: trail, log: trail.log, serials: map[string]string{}, full: topic.NewHint()}
}

// SVID notes what a peer proved to us; the same serial again is nothing new.
func (c *Collector) SVID(s SVID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Former = c.serials[s.Member]
	if s.Serial == "" || s.Former == s.Serial {
		return
	}
	c.serials[s.Member] = s.Serial
	c.svids = append(c.svids, s)
	if len(c.svids) >= svidsPerEvent {
		c.full.Wake()
	}
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

// Run records what was collected every 10 s, counts every minute, and all once more
// when ctx ends.
func (c *Collector) Run(ctx context.Context) error {
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			c.flush(ctx, c.take(false))
		case <-c.full:
			c.flush(ctx, c.takeSVIDs())
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
func (c *Collector) Flush(ctx context.Context) { c.flush(ctx, c.take(true)) }

// flush records events; one that cannot be stored is logged, for there is nobody
// whose change could fail.
func (c *Collector) flush(ctx context.Context, events []Event) {
	for _, e := range events {
		if err := c.trail.record(ctx, c.store, e); err != nil {
			c.log.Error("audit event not recorded", zap.String("action", e.Action), zap.String("after", e.After), zap.Error(err))
		}
	}
}

// take empties it; without all it leaves the counts of windows that have not ended.
func (c *Collector) take(all bool) []Event {
	out := c.takeSVIDs()
	c.mu.Lock()
	out = append(out, c.reported...)
	c.reported = nil
	c.mu.Unlock()
	return append(out, c.trail.refusals.take(all)...)
}

func (c *Collector) takeSVIDs() []Event {
	c.mu.Lock()
	svids := c.svids
	c.svids = nil
	c.mu.Unlock()
	var out []Event
	for chunk := range slices.Chunk(svids, svidsPerEvent) {
		e := Event{Actor: "spire", Action: SVIDRotate, Target: chunk[0].Member, Outcome: Success, Reason: "as proved to the controller"}
		if len(chunk) > 1 {
			e.Target = "members/" + strconv.Itoa(len(chunk))
		}
		raw, err := json.Marshal(chunk)
		if err != nil {
			continue // no certificate lives beyond the year 9999
		}
		e.After = string(raw)
		out = append(out, e)
	}
	return out
}
