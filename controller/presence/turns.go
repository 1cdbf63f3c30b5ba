package presence

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Turns is how lists and counts follow what is here: it collects which members went
// ONLINE or OFFLINE, said another version, or are refused or refuse. However often one
// turned, it is there once; so a Turns that nobody reads is no larger than the fleet.
type Turns struct {
	roster *Roster
	turned map[identity.Workload]struct{}
}

// Turn is what a member is now that turned.
type Turn struct {
	identity.Workload
	// State is that of Roster.Connector or Roster.Tunneler, LastSeen zero for one that
	// had no heartbeat since the program started.
	State State
}

// Turns returns a Turns that is kept as long as the roster.
func (r *Roster) Turns() *Turns {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &Turns{roster: r, turned: map[identity.Workload]struct{}{}}
	r.readers = append(r.readers, t)
	return t
}

// turned notes that a member did. It needs r.mu.
func (r *Roster) turned(w identity.Workload) {
	for _, t := range r.readers {
		t.turned[w] = struct{}{}
	}
}

// Take returns who turned since the call before.
func (t *Turns) Take() (turns []Turn) {
	r := t.roster
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire()
	for w := range t.turned {
		turns = append(turns, Turn{w, r.state(w)})
	}
	clear(t.turned)
	return turns
}

// state needs r.mu.
func (r *Roster) state(w identity.Workload) (state State) {
	if w.Kind == identity.KindConnector {
		return r.connector(w.ID, time.Time{})
	}
	state, _, _ = r.tunneler(w.ID, time.Time{})
	return state
}

// States returns what the members are at this moment, as a Turn has it.
func (r *Roster) States(members []identity.Workload) []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire()
	out := make([]State, len(members))
	for i, w := range members {
		out[i] = r.state(w)
	}
	return out
}
