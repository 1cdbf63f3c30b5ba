package presence

// What a member says of its own SVID decides nothing. What this controller has
// verified on a connection that is open does: it is shown in its place, and a CA
// rotation waits for it.

// proof is what a tunneler proved on its directory stream.
type proof struct {
	stream uint64
	svid   SVID
}

// ConnectorProved notes what a connector proved on the connection of its control
// stream; from then on its heartbeats do not say which SVID it has.
func (r *Roster) ConnectorProved(id string, stream uint64, svid SVID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.connectors[id]; a != nil && a.stream == stream {
		r.noteSVID(&a.SVID, svid)
		a.SVIDVerified = true
	}
}

// TunnelerProved notes what a tunneler proved on the connection of its directory
// stream. Streams are numbered by their server; an older one changes nothing.
func (r *Roster) TunnelerProved(id string, stream uint64, svid SVID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if stream >= r.proofs[id].stream {
		r.proofs[id] = proof{stream, svid}
		r.links.Wake()
	}
}

// TunnelerUnproved notes the end of a directory stream: what is known of the
// tunneler's SVID is then what connectors report.
func (r *Roster) TunnelerUnproved(id string, stream uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.proofs[id].stream == stream {
		delete(r.proofs, id)
		r.links.Wake()
	}
}
