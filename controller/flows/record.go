package flows

import (
	"math"
	"strings"
	"time"
)

// Record is a flow that is over, or some refused ones.
type Record struct {
	Seq      int64     // in the order of arrival; the store sets it
	Recorded time.Time // by the controller's clock
	// Opened and Ended are by the connector's clock.
	Opened, Ended time.Time
	// Tunneler, Connector, Network and Resource are ids. What they name may be gone.
	Tunneler, Connector, Network string
	Resource, ResourceName       string // empty if no resource covers the target
	Grant                        string
	Target                       string // host:port, as it was asked for
	Address                      string // IP:port that was dialed; empty if none was
	Connected                    bool
	// Code is why it ended, as docs/flows.md names it; Decision is that of the policy.
	Code, Decision string
	Up, Down       uint64 // bytes to and from the target
	// Count is how many refused opens it stands for; 1 of a flow that was carried.
	Count uint64
}

// Refused is the Code of a flow that no grant allowed.
const Refused = "refused"

// Query chooses records, the one that ended last first. Empty texts choose all; one that ends
// with "*" matches what begins with the rest.
type Query struct {
	Tunneler, Connector, Network, Resource, Target, Code, Decision string

	Since, Until time.Time // of the end; Until is excluded
	// Oldest turns the order around.
	Oldest bool
	// After is the Next of the page before; its zero value is the start.
	After Place
	Limit int
	// Recorded takes those that were recorded after the one with this Seq, in that order, whatever
	// Oldest and After say; a negative one takes none, and has Page.Last to begin with.
	Recorded *int64
}

// Place is where a page ends.
type Place struct {
	Ended time.Time
	Seq   int64
}

// Window is how many records one page examines at most: an exact tunneler, resource or target
// and the times have an index, all else is compared one record at a time.
const Window = 10_000

// Page is some records in the order of their query.
type Page struct {
	Records []Record
	Next    Place // zero after the last one
	// Last is the Seq to continue after, of a query with Recorded.
	Last int64
}

// Matches says whether r is one of the records that q chooses, apart from its page.
func (q Query) Matches(r Record) bool {
	return matches(q.Tunneler, r.Tunneler) && matches(q.Connector, r.Connector) && matches(q.Network, r.Network) &&
		matches(q.Resource, r.Resource) && matches(q.Target, r.Target) && matches(q.Code, r.Code) && matches(q.Decision, r.Decision) &&
		(q.Since.IsZero() || !r.Ended.Before(q.Since)) && (q.Until.IsZero() || r.Ended.Before(q.Until))
}

// matches compares with an exact text, or with a beginning.
func matches(want, have string) bool {
	if prefix, isPrefix := strings.CutSuffix(want, "*"); isPrefix {
		return strings.HasPrefix(have, prefix)
	}
	return want == "" || want == have
}

// Sum counts flows of some time.
type Sum struct {
	Flows   int64 // that were connected
	Refused int64 // opens that no grant allowed
	Failed  int64 // granted, and not connected
	Up      int64
	Down    int64
	// Lost are flows that have no record: their connector had no room, or what it sent was
	// not believed.
	Lost int64
}

// Add adds o.
func (s *Sum) Add(o Sum) {
	for _, n := range []struct {
		sum  *int64
		more int64
	}{{&s.Flows, o.Flows}, {&s.Refused, o.Refused}, {&s.Failed, o.Failed}, {&s.Up, o.Up}, {&s.Down, o.Down}, {&s.Lost, o.Lost}} {
		if *n.sum > math.MaxInt64-n.more {
			*n.sum = math.MaxInt64 // a connector may report what it likes
			continue
		}
		*n.sum += n.more
	}
}

// sumOf is what one record adds.
func sumOf(r Record) Sum {
	s := Sum{Up: int64(r.Up), Down: int64(r.Down)} //nolint:gosec // the transport has refused larger ones
	switch n := int64(r.Count); {                  //nolint:gosec // so too
	case r.Connected:
		s.Flows = n
	case r.Code == Refused:
		s.Refused = n
	default:
		s.Failed = n
	}
	return s
}
