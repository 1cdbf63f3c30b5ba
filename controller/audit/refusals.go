package audit

import (
	"cmp"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// window is how long equal events are counted before their number is recorded.
const window = time.Minute

const (
	// maxCounted bounds the events that one ledger counts apart, and so its memory.
	maxCounted = 1024
	// maxNamed bounds the names in the state of one event.
	maxNamed = 16
	// maxText bounds a text of a refused caller, in bytes.
	maxText = 256
)

// budget is what one ledger may record.
type budget struct {
	// burst events at once, then one in each every.
	burst int
	every time.Duration
	// rows are the counts that a window lists; the others share one row.
	rows int
}

// Anybody on the network can cause the first. The second takes a secret or an
// identity that was good once. The third is what one peer reports of its callers.
var (
	ofUnknown  = budget{burst: 8, every: 15 * time.Second, rows: 4}
	ofKnown    = budget{burst: 32, every: 10 * time.Second, rows: 16}
	ofReporter = budget{burst: 8, every: time.Minute, rows: 4}
)

// ledgerKey separates what must not displace each other: a flood of wrong tokens
// hides no wrong password, callers that nobody knows hide none that had a secret,
// and one reporting peer hides none of another's reports.
type ledgerKey struct {
	action   Action
	outcome  Outcome
	known    bool
	reporter string
}

func (k ledgerKey) budget() budget {
	switch {
	case k.reporter != "":
		return ofReporter
	case k.known:
		return ofKnown
	default:
		return ofUnknown
	}
}

// refusals bounds the rows that refused and unknown callers can cause. An event is
// recorded at once if no equal one was in this window and the budget allows it;
// otherwise it is counted, and take makes events of the counts. Nothing is lost
// silently: what is not listed is counted.
type refusals struct {
	now func() time.Time

	mu      sync.Mutex
	ledgers map[ledgerKey]*ledger
}

// ledger is for the events of one ledgerKey.
type ledger struct {
	rows    *rate.Limiter
	began   time.Time // of the window
	counted map[caller]*tally
	rest    excess
}

// caller makes two events equal. A refused caller chooses its target, which counts for
// nothing here; what was done has one that the program chose.
type caller struct{ actor, source, reason, target string }

// tally counts equal events after the first one.
type tally struct {
	Count   uint64            `json:"count"`
	First   time.Time         `json:"first_at"`
	Last    time.Time         `json:"last_at"`
	Targets map[string]uint64 `json:"targets,omitempty"`
	More    bool              `json:"more,omitempty"` // there were targets beside these
}

// excess are events that no row counts by itself.
type excess struct {
	Count   uint64            `json:"count"`
	Sources map[string]uint64 `json:"sources,omitempty"`
	Actors  map[string]uint64 `json:"actors,omitempty"`
	Reasons map[string]uint64 `json:"reasons"`
	More    bool              `json:"more,omitempty"` // there were names beside these
}

func newRefusals(now func() time.Time) *refusals {
	return &refusals{now: now, ledgers: map[ledgerKey]*ledger{}}
}

// limited says which events have to pass. A refusal that notes a new state of its
// target is bounded by that target: a request has three wrong fingerprints.
func limited(e Event) bool {
	return e.Actor == "" || e.Outcome == Denied && e.Before == "" && e.After == ""
}

// admit says whether e, which n equal ones stand for, is to be recorded by itself. If
// not, it has been counted. reporter is the peer that says so, or empty.
func (r *refusals) admit(e Event, n uint64, reporter string) bool {
	who := caller{actor: e.Actor, source: sourceOf(e.Source), reason: e.Reason}
	if e.Outcome != Denied {
		who.target = e.Target
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	l := r.ledger(ledgerKey{e.Action, e.Outcome, e.Actor != "", reporter}, now)
	t := l.counted[who]
	if t == nil {
		if len(l.counted) >= maxCounted {
			l.rest.add(who, n)
			return false
		}
		t = &tally{}
		l.counted[who] = t
		if l.rows.AllowN(now, 1) {
			return true
		}
	}
	t.add(e.Target, now, n)
	return false
}

// more counts n events of which a reporter said no more than that there were.
func (r *refusals) more(action Action, reporter, reason string, n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ledger(ledgerKey{action, Denied, true, reporter}, r.now()).rest.add(caller{reason: reason}, n)
}

// ledger needs the lock. Actions are the program's and reporters are members, so
// there are few.
func (r *refusals) ledger(k ledgerKey, now time.Time) *ledger {
	l := r.ledgers[k]
	if l == nil {
		b := k.budget()
		l = &ledger{rows: rate.NewLimiter(rate.Every(b.every), b.burst), began: now, counted: map[caller]*tally{}}
		r.ledgers[k] = l
	}
	return l
}

// take returns the events of the windows that have ended, or of all.
func (r *refusals) take(all bool) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	var out []Event
	for _, k := range slices.SortedFunc(maps.Keys(r.ledgers), compareKeys) {
		l, b := r.ledgers[k], k.budget()
		if !all && now.Sub(l.began) < window {
			continue
		}
		out = append(out, l.take(k, b.rows)...)
		l.began = now
		if len(l.counted) == 0 && l.rows.TokensAt(now) >= float64(b.burst) {
			delete(r.ledgers, k)
		}
	}
	return out
}

// take ends a window. A caller that did nothing in it is forgotten, and its next event is
// a first one.
func (l *ledger) take(k ledgerKey, rows int) []Event {
	maps.DeleteFunc(l.counted, func(_ caller, t *tally) bool { return t.Count == 0 })
	most := slices.SortedFunc(maps.Keys(l.counted), func(a, b caller) int {
		return cmp.Or(cmp.Compare(l.counted[b].Count, l.counted[a].Count), compareCallers(a, b))
	})
	var out []Event
	for i, who := range most {
		t := *l.counted[who]
		l.counted[who] = &tally{}
		if i >= rows {
			l.rest.add(who, t.Count)
			continue
		}
		out = append(out, Event{
			Actor: who.actor, Action: k.action, Target: cmp.Or(k.reporter, who.target), Outcome: k.outcome, Reason: who.reason, Source: who.source, After: State(t),
		})
	}
	if l.rest.Count > 0 {
		e := Event{Action: RefusalsMany, Target: string(k.action), Outcome: k.outcome, Reason: "too many to list", After: State(l.rest)}
		if k.reporter != "" {
			e.Actor = k.reporter
		}
		out = append(out, e)
		l.rest = excess{}
	}
	return out
}

func (t *tally) add(target string, now time.Time, n uint64) {
	if t.Count == 0 {
		t.First = now.UTC()
	}
	t.Count, t.Last = t.Count+n, now.UTC()
	t.More = !named(&t.Targets, target, n) || t.More
}

func (x *excess) add(who caller, n uint64) {
	x.Count += n
	for names, name := range map[*map[string]uint64]string{&x.Sources: who.source, &x.Actors: who.actor, &x.Reasons: who.reason} {
		x.More = !named(names, name, n) || x.More
	}
}

// named counts under a name, unless there are too many.
func named(in *map[string]uint64, name string, n uint64) bool {
	if name == "" {
		return true
	}
	if *in == nil {
		*in = map[string]uint64{}
	}
	if _, known := (*in)[name]; !known && len(*in) >= maxNamed {
		return false
	}
	(*in)[name] += n
	return true
}

// sourceOf is the address of a caller without its port; the /64 of an IPv6 address,
// for a host has a whole one to itself.
func sourceOf(source string) string {
	if host, _, err := net.SplitHostPort(source); err == nil {
		source = host
	}
	addr, err := netip.ParseAddr(source)
	if err != nil {
		return source
	}
	if p := sourcelimit.Bucket(addr); !p.IsSingleIP() {
		return p.String()
	}
	return addr.Unmap().String()
}

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText], "")
}

func compareKeys(a, b ledgerKey) int {
	return cmp.Or(cmp.Compare(a.action, b.action), cmp.Compare(a.outcome, b.outcome), cmp.Compare(a.reporter, b.reporter), compareBool(a.known, b.known))
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}

func compareCallers(a, b caller) int {
	return cmp.Or(cmp.Compare(a.actor, b.actor), cmp.Compare(a.source, b.source), cmp.Compare(a.reason, b.reason), cmp.Compare(a.target, b.target))
}
