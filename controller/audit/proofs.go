package audit

import (
	"strings"
	"time"
)

// ProofRefusal counts equal in-band proofs that one member or controller refused.
type ProofRefusal struct {
	Peer          string // of the handshake: "connector/c-01"
	Reason        string
	Remote, Local string // host:port of both ends as the reporter sees them
	Dialed        bool   // by the reporter
	Count         uint64
	First, Last   time.Time
}

// Proofs notes the proofs that a reporter refused, and how many more it did not list.
// The reporter is the verifying end of the connection.
func (c *Collector) Proofs(reporter string, refused []ProofRefusal, more uint64) {
	for _, r := range refused {
		c.unproven(reporter, r.Peer, r.Count)
		e := Event{Actor: r.Peer, Action: ProofRefuse, Target: reporter, Outcome: Denied, Reason: r.Reason, Source: r.Remote}
		if !c.trail.refusals.admit(e, r.Count, reporter) {
			continue
		}
		e.After = State(struct {
			Count  uint64    `json:"count"`
			First  time.Time `json:"first_at"`
			Last   time.Time `json:"last_at"`
			Local  string    `json:"local_address"`
			Dialed bool      `json:"dialed"` // by the target
		}{r.Count, r.First.UTC(), r.Last.UTC(), r.Local, r.Dialed})
		c.report(e)
	}
	if more > 0 {
		c.unproven(reporter, "", more)
		c.trail.refusals.more(ProofRefuse, reporter, "not listed by the reporter", more)
	}
}

// unproven counts for the alert what members report; what a controller refused
// itself is counted by its listener.
func (c *Collector) unproven(reporter, peer string, n uint64) {
	switch {
	case strings.HasPrefix(reporter, "controller/"):
	case strings.HasPrefix(peer, "controller/"):
		c.onControl.Add(n)
	default:
		c.onSessions.Add(n)
	}
}

// Unproven is how many refused proofs members reported since the start: of the
// controller, and of each other.
func (c *Collector) Unproven() (control, session uint64) {
	return c.onControl.Load(), c.onSessions.Load()
}
