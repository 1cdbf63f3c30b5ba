package audit

import (
	"context"
	"encoding/json"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

// What others can make us record, at most. Above it events are counted, not listed.
const (
	flushEvery    = 10 * time.Second
	svidsPerEvent = 64 // fits maxState
	// Refusals of callers that nobody knows, by source address and altogether.
	sourceRate, sourceBurst = rate.Limit(1.0 / 30), 10
	allRate, allBurst       = rate.Limit(1), 200
	// Refusals that one connector reports.
	connectorRate, connectorBurst = rate.Limit(0.1), 30
	maxKeys                       = 4096
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

// Collector records what happens often, many at once, and bounds what somebody
// who is refused can make us record. What is counted is never lost silently: each
// flush says how many there were.
type Collector struct {
	store Store
	trail *Log
	log   *zap.Logger
	now   func() time.Time

	mu         sync.Mutex
	serials    map[string]string
	svids      []SVID
	sessions   []Event
	excess     map[string]*excess // by action
	all        *rate.Limiter
	sources    map[string]*rate.Limiter
	connectors map[string]*rate.Limiter
	full       chan struct{} // there is a full event of SVIDs
}

// excess are refusals that were not listed.
type excess struct {
	Count   uint64            `json:"count"`
	Sources map[string]uint64 `json:"sources"`
	Reasons map[string]uint64 `json:"reasons"`
	More    bool              `json:"more,omitempty"` // there were sources or reasons beside these
}

// NewCollector returns a Collector that records in store.
func NewCollector(store Store, trail *Log, now func() time.Time) *Collector {
	return &Collector{
		store: store, trail: trail, log: trail.log, now: now,
		serials: map[string]string{}, excess: map[string]*excess{}, all: rate.NewLimiter(allRate, allBurst),
		sources: map[string]*rate.Limiter{}, connectors: map[string]*rate.Limiter{}, full: make(chan struct{}, 1),
	}
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
		signal(c.full)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Admit says whether the refusal e is to be recorded by itself. If not, it has been
// counted. For refusals that anybody can cause; not for those of known callers.
func (c *Collector) Admit(e Event) bool {
	host := e.Source
	if h, _, err := net.SplitHostPort(e.Source); err == nil {
		host = h
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if limiter(c.sources, host, sourceRate, sourceBurst).AllowN(c.now(), 1) && c.all.AllowN(c.now(), 1) {
		return true
	}
	c.count(e.Action, host, e.Reason, 1)
	return false
}

// limiter forgets all when there are too many: that lets a few more through, and
// the limit over all still holds.
func limiter(m map[string]*rate.Limiter, key string, r rate.Limit, burst int) *rate.Limiter {
	l := m[key]
	if l == nil {
		if len(m) >= maxKeys {
			clear(m)
		}
		l = rate.NewLimiter(r, burst)
		m[key] = l
	}
	return l
}

const maxNamed = 16

// count needs the lock.
func (c *Collector) count(action, source, reason string, n uint64) {
	x := c.excess[action]
	if x == nil {
		x = &excess{Sources: map[string]uint64{}, Reasons: map[string]uint64{}}
		c.excess[action] = x
	}
	x.Count += n
	x.name(x.Sources, source, n)
	x.name(x.Reasons, reason, n)
}

func (x *excess) name(in map[string]uint64, key string, n uint64) {
	if _, known := in[key]; !known && len(in) >= maxNamed {
		x.More = true
		return
	}
	in[key] += n
}

// Sessions notes the sessions that a connector refused, and how many more it did
// not list.
func (c *Collector) Sessions(connector string, refused []SessionRefusal, more uint64) {
	target := "connector/" + connector
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := limiter(c.connectors, connector, connectorRate, connectorBurst)
	for _, r := range refused {
		if !limit.AllowN(c.now(), 1) {
			c.count(SessionOpen, target, r.Reason, r.Count)
			continue
		}
		after, err := json.Marshal(map[string]any{"count": r.Count, "first_at": r.First, "last_at": r.Last, "reported_by": target})
		if err != nil {
			continue // times beyond the year 9999; the transport has refused those
		}
		c.sessions = append(c.sessions, Event{
			Actor: r.Caller, Action: SessionOpen, Target: target, Outcome: Denied, Reason: r.Reason, Source: r.Source, After: string(after),
		})
	}
	if more > 0 {
		c.count(SessionOpen, target, "not listed by the connector", more)
	}
}

// Run records what was collected every 10 s, and once more when ctx ends.
func (c *Collector) Run(ctx context.Context) error {
	t := time.NewTicker(flushEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			c.Flush(ctx)
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

// Flush records what was collected, now.
func (c *Collector) Flush(ctx context.Context) {
	c.flush(ctx, append(c.takeSVIDs(), c.takeRefusals()...))
}

// flush records events; one that cannot be stored is logged, for there is nobody
// whose change could fail.
func (c *Collector) flush(ctx context.Context, events []Event) {
	for _, e := range events {
		if err := c.trail.Record(ctx, c.store, e); err != nil {
			c.log.Error("audit event not recorded", zap.String("action", e.Action), zap.String("after", e.After), zap.Error(err))
		}
	}
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

func (c *Collector) takeRefusals() []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.sessions
	for _, action := range slices.Sorted(maps.Keys(c.excess)) {
		raw, err := json.Marshal(c.excess[action])
		if err != nil {
			continue // texts and numbers always marshal
		}
		out = append(out, Event{Action: RefusalsMany, Target: action, Outcome: Denied, Reason: "too many to list", After: string(raw)})
	}
	c.sessions, c.excess = nil, map[string]*excess{}
	return out
}
