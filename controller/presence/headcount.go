package presence

import "time"

// Headcount is who is here at a moment, without saying who.
type Headcount struct {
	// Connectors and Tunnelers are how long ago each ONLINE one was heard of.
	Connectors []time.Duration
	Tunnelers  []time.Duration
	// Sessions of tunnelers at connectors, as reported.
	Sessions int
	// Oldest policy revision that an ONLINE connector says it applies; 0 if there
	// is none.
	OldestPolicy uint64
}

// Headcount counts who is ONLINE.
func (r *Roster) Headcount() (out Headcount) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for _, a := range r.connectors {
		p := r.presence(a, a.LastSeen)
		if p.Status != Online {
			continue
		}
		out.Connectors = append(out.Connectors, now.Sub(p.LastSeen))
		// One that has not had its first policy yet does not lag behind it.
		if p.PolicyRevision > 0 && (out.OldestPolicy == 0 || p.PolicyRevision < out.OldestPolicy) {
			out.OldestPolicy = p.PolicyRevision
		}
	}
	for id := range r.tunnelers {
		if s := r.settled(id); len(s.open) > 0 {
			out.Tunnelers = append(out.Tunnelers, now.Sub(s.lastSeen))
			out.Sessions += len(s.open)
		}
	}
	return out
}
