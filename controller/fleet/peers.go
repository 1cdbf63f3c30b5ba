package fleet

import (
	"cmp"
	"slices"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Peer is one open link of an ONLINE member: the control stream of a connector,
// a session of a tunneler or its directory stream. A tunneler with sessions at two
// connectors is at least two peers, because each link has its own last proof.
type Peer struct {
	identity.Workload
	// Via is the link of a tunneler, in words: "session at connector/<id>", on whose
	// word it rests then, or "directory stream".
	Via string
	// SVID is what was proved last on this link.
	SVID SVID
	// Trusts are the ids of the authorities in the peer's bundle.
	Trusts []string
}

// ConnectorTrusts notes which authorities a connector has in its bundle.
func (r *Roster) ConnectorTrusts(id string, authorities []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trusts[id] = authorities
}

// Peers lists the open links of all ONLINE members, by name.
func (r *Roster) Peers() []Peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Peer
	for id, a := range r.connectors {
		if p := r.presence(a, a.LastSeen); p.Status == Online {
			w := identity.Workload{Kind: identity.KindConnector, ID: id}
			out = append(out, Peer{Workload: w, SVID: p.SVID, Trusts: r.trusts[id]})
		}
	}
	for id := range r.tunnelers {
		for _, one := range r.settled(id).open {
			out = append(out, one.Peer)
			if seen, ok := r.proofs[id]; ok {
				out = append(out, Peer{Workload: one.Workload, Via: "directory stream", SVID: seen.svid, Trusts: one.Trusts})
			}
		}
	}
	slices.SortFunc(out, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(a.String(), b.String()), cmp.Compare(a.Via, b.Via))
	})
	// A tunneler has one directory stream, however many sessions it has.
	return slices.CompactFunc(out, func(a, b Peer) bool { return a.Workload == b.Workload && a.Via == b.Via })
}
