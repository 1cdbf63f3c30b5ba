package presence

import "time"

// Headcount is who is here at a moment, without saying who.
type Headcount struct {
	Connectors Ages
	Tunnelers  Ages
	// Sessions of tunnelers at connectors, as reported.
	Sessions int
	// OldestPolicy revision that an ONLINE connector says it applies; 0 if there
	// is none.
	OldestPolicy uint64
}

// Ages are how old the last heartbeats of the ONLINE members of one kind are.
type Ages struct {
	Online int
	Sum    time.Duration
	// At are the quantiles that were asked for, in their order and to a tenth of a second;
	// empty if nobody is ONLINE.
	At []time.Duration
}

// Headcount counts who is ONLINE; quantiles are those of the ages. It costs the same
// whatever the fleet.
func (r *Roster) Headcount(quantiles ...float64) Headcount {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire()
	now := r.since(r.now())
	out := Headcount{
		Connectors: r.connectorAges.ages(now, quantiles), Tunnelers: r.tunnelerAges.ages(now, quantiles),
		Sessions: r.sessionOrder.Len(),
	}
	for revision := range r.policies { // a few: connectors apply the newest one or two
		if out.OldestPolicy == 0 || revision < out.OldestPolicy {
			out.OldestPolicy = revision
		}
	}
	return out
}
