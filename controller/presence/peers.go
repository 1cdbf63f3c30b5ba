package presence

import (
	"cmp"
	"slices"
	"time"

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
	if !slices.Equal(r.trusts[id], authorities) {
		r.links.Wake()
	}
	r.trusts[id] = authorities
}

// SubscribePeers returns a channel that gets a value after a link has opened or
// ended, or what is known of one has changed; one that merely falls silent gives
// none. Many changes give one value. The function ends the subscription.
func (r *Roster) SubscribePeers() (changed <-chan struct{}, unsubscribe func()) {
	return r.links.Subscribe()
}

// Peers lists the open links of all ONLINE members, by name.
func (r *Roster) Peers() []Peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Peer
	for id := range r.connectors {
		out = r.connectorPeer(out, id)
	}
	for id := range r.tunnelers {
		out = r.tunnelerPeers(out, id)
	}
	return byName(out)
}

// PeersOf lists the open links of one member.
func (r *Roster) PeersOf(w identity.Workload) []Peer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.Kind == identity.KindConnector {
		return r.connectorPeer(nil, w.ID)
	}
	return byName(r.tunnelerPeers(nil, w.ID))
}

// connectorPeer needs r.mu.
func (r *Roster) connectorPeer(out []Peer, id string) []Peer {
	p := r.presence(r.connectors[id], time.Time{})
	if p.Status != Online {
		return out
	}
	w := identity.Workload{Kind: identity.KindConnector, ID: id}
	return append(out, Peer{Workload: w, SVID: p.SVID, Trusts: r.trusts[id]})
}

// tunnelerPeers needs r.mu.
func (r *Roster) tunnelerPeers(out []Peer, id string) []Peer {
	s := r.settled(id)
	if s == nil {
		return out
	}
	for _, one := range s.open {
		out = append(out, one.Peer)
		if seen, ok := r.proofs[id]; ok {
			out = append(out, Peer{Workload: one.Workload, Via: "directory stream", SVID: seen.svid, Trusts: one.Trusts})
		}
	}
	return out
}

func byName(out []Peer) []Peer {
	slices.SortFunc(out, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Via, b.Via))
	})
	// A tunneler has one directory stream, however many sessions it has.
	return slices.CompactFunc(out, func(a, b Peer) bool { return a.Workload == b.Workload && a.Via == b.Via })
}
