package presence

import (
	"cmp"
	"slices"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Refusing is a connector that refuses what this controller sends.
type Refusing struct {
	ID string
	// Reason is its own word, clipped.
	Reason string
}

// ConnectorRefuses notes why a connector refuses what this controller sends; empty if
// it does not. It says whether that is news, and nothing of a stream that a newer one
// replaced.
func (r *Roster) ConnectorRefuses(id string, stream uint64, reason string) (news bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.connectors[id]
	if a == nil || a.stream != stream {
		return false
	}
	news = (a.Refusal == "") != (reason == "")
	a.Refusal = reason
	r.refuses(id, reason != "")
	return news
}

// refuses needs r.mu.
func (r *Roster) refuses(id string, it bool) {
	if _, did := r.refusing[id]; did != it {
		r.turned(identity.Workload{Kind: identity.KindConnector, ID: id})
	}
	if it {
		r.refusing[id] = struct{}{}
	} else {
		delete(r.refusing, id)
	}
}

// Outdated notes why this controller refuses a member that speaks another protocol;
// empty when it has come back with ours.
func (r *Roster) Outdated(w identity.Workload, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if (r.outdated[w] == "") != (why == "") {
		r.turned(w)
	}
	if why == "" {
		delete(r.outdated, w)
		return
	}
	r.outdated[w] = why
}

// Refusing lists the ONLINE connectors that refuse what this controller sends, by id.
func (r *Roster) Refusing() (out []Refusing) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.refusing {
		if p := r.presence(r.connectors[id], time.Time{}); p.Status == Online {
			out = append(out, Refusing{ID: id, Reason: p.Refusal})
		}
	}
	slices.SortFunc(out, func(a, b Refusing) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
