package presence

import (
	"container/list"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// Roster knows who is here at this moment. It is in memory; Run stores last-seen
// times once a minute, so a heartbeat costs no disk write, and neither does a member
// that comes and goes.
type Roster struct {
	now func() time.Time

	mu         sync.Mutex
	nextStream uint64
	connectors map[string]*attendance
	tunnelers  map[string]*sessions
	at         map[string]map[string]struct{} // the tunnelers with an open session, by connector
	trusts     map[string][]string            // authority ids in the bundle of each connector
	outdated   map[identity.Workload]string   // why it is refused
	proofs     map[string]proof               // of tunnelers with a directory stream
	unsaved    map[identity.Workload]struct{} // since the last-seen times were stored
	activity   Activity
	online     map[identity.Workload]bool // as Watch has reported
	touched    map[identity.Workload]struct{}
	moved      topic.Hint
	links      topic.Topic[struct{}] // woken when Peers may have changed
	refusing   map[string]struct{}   // connectors that refuse what this controller sends
	readers    []*Turns

	// What is ONLINE; began is what the times of ageCounts count from.
	began          time.Time
	connectorOrder list.List
	sessionOrder   list.List
	connectorAges  ageCounts
	tunnelerAges   ageCounts
	policies       map[uint64]int
}

type attendance struct {
	State
	stream uint64        // which control stream it is of
	place  *list.Element // nil unless it is ONLINE
}

// NewRoster returns an empty roster.
func NewRoster(now func() time.Time) *Roster {
	return &Roster{
		now: now, connectors: map[string]*attendance{}, tunnelers: map[string]*sessions{}, at: map[string]map[string]struct{}{},
		trusts: map[string][]string{},
		proofs: map[string]proof{}, unsaved: map[identity.Workload]struct{}{},
		outdated: map[identity.Workload]string{},
		online:   map[identity.Workload]bool{}, touched: map[identity.Workload]struct{}{}, moved: topic.NewHint(),
		refusing: map[string]struct{}{},
		began:    now(), policies: map[uint64]int{},
	}
}

// Arrival is what a connector says of itself when its control stream opens.
type Arrival struct {
	ID         string
	Version    string
	InstanceID string
	BootID     string
}

// ConnectorUp notes a new control stream, which replaces an older one of the same
// connector, and returns its number.
func (r *Roster) ConnectorUp(a Arrival, remoteAddr string, svid SVID) (stream uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nextStream++
	now := r.now()
	if before := r.connectors[a.ID]; before != nil && before.InstanceID != a.InstanceID {
		r.endSessionsAt(a.ID) // they ended with the process that had them
	}
	r.changeConnector(a.ID, func() {
		r.connectors[a.ID] = &attendance{stream: r.nextStream, State: State{
			Version: a.Version, Since: now, LastSeen: now, RemoteAddr: remoteAddr, InstanceID: a.InstanceID, BootID: a.BootID, SVID: svid,
		}}
	})
	r.refuses(a.ID, false)
	r.links.Wake()
	w := identity.Workload{Kind: identity.KindConnector, ID: a.ID}
	r.unsaved[w] = struct{}{}
	r.kick(w, Online)
	return r.nextStream
}

// ConnectorBeat notes a heartbeat on a stream. One that a newer stream replaced
// changes nothing.
func (r *Roster) ConnectorBeat(id string, stream uint64, svid SVID, revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.connectors[id]
	if a == nil || a.stream != stream {
		return
	}
	r.changeConnector(id, func() { a.LastSeen, a.PolicyRevision = r.now(), revision })
	if !a.SVIDVerified {
		r.noteSVID(&a.SVID, svid)
	}
	r.activity.Heartbeats++
	w := identity.Workload{Kind: identity.KindConnector, ID: id}
	r.unsaved[w] = struct{}{}
	r.kick(w, Online)
}

// ConnectorDown notes the end of a stream. The late end of a stream that was
// replaced never marks the newer one OFFLINE.
func (r *Roster) ConnectorDown(id string, stream uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.connectors[id]; a != nil && a.stream == stream {
		r.changeConnector(id, func() { a.Since = time.Time{} })
		r.links.Wake()
		r.kick(identity.Workload{Kind: identity.KindConnector, ID: id}, Offline)
	}
}

// Report is what a connector says of one attached tunneler.
type Report struct {
	TunnelerID string
	Version    string
	SVID       SVID
	// Trusts are the authority ids in its bundle.
	Trusts     []string
	Since      time.Time
	RemoteAddr string
	Detached   bool
}

// Forget drops a member that was revoked.
func (r *Roster) Forget(w identity.Workload) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.Kind == identity.KindConnector {
		r.changeConnector(w.ID, func() { delete(r.connectors, w.ID) })
		r.refuses(w.ID, false)
		delete(r.trusts, w.ID)
		r.endSessionsAt(w.ID)
	} else if s := r.settled(w.ID); s != nil {
		for connector := range s.open {
			r.endSession(w.ID, s, connector)
		}
		delete(r.tunnelers, w.ID)
	}
	r.turned(w)
	delete(r.unsaved, w)
	delete(r.outdated, w)
	r.links.Wake()
	r.kick(w, Offline)
}

// Connector returns the presence of a connector; stored is its last-seen time
// from before this program started.
func (r *Roster) Connector(id string, stored time.Time) State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connector(id, stored)
}

// LastSeen is when a member was unsaved of, as Connector and Tunneler say it.
func (r *Roster) LastSeen(w identity.Workload, stored time.Time) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.Kind == identity.KindConnector {
		if a := r.connectors[w.ID]; a != nil {
			return a.LastSeen
		}
	} else if s := r.tunnelers[w.ID]; s != nil {
		return s.lastSeen
	}
	return stored
}

// connector needs r.mu.
func (r *Roster) connector(id string, stored time.Time) State {
	p := r.presence(r.connectors[id], stored)
	p.Outdated = r.outdated[identity.Workload{Kind: identity.KindConnector, ID: id}]
	return p
}

func (r *Roster) presence(a *attendance, stored time.Time) State {
	if a == nil {
		return State{Status: Offline, LastSeen: stored}
	}
	p := a.State
	if p.Since.IsZero() || r.now().Sub(p.LastSeen) > OfflineAfter {
		return State{Status: Offline, LastSeen: p.LastSeen, Version: p.Version, SVID: p.SVID}
	}
	p.Status = Online
	return p
}

// noteSVID replaces the SVID in use and counts it when it is another one.
func (r *Roster) noteSVID(in *SVID, svid SVID) {
	if in.Serial != "" && svid.Serial != "" && in.Serial != svid.Serial {
		r.activity.Rotations++
	}
	if in.AuthorityID != svid.AuthorityID {
		r.links.Wake()
	}
	*in = svid
}
