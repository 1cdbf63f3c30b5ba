package presence

import (
	"cmp"
	"container/list"
	"slices"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// Session is an open session of a tunneler at a connector, as that connector
// reported it last.
type Session struct {
	ConnectorID string
	Since       time.Time
	LastSeen    time.Time
	Version     string
	RemoteAddr  string
}

// sessions are those of one tunneler, by connector. The tunneler is ONLINE while
// one of them lives: it was not reported as ended, and was reported within
// OfflineAfter. All methods need the lock of the Roster.
type sessions struct {
	open map[string]*reported
	// current is the connector that the tunneler is shown at. It changes only when
	// the session there ends, or when that connector has no control stream and
	// another one with a session has: with several sessions, the newest report would
	// make the tunneler jump at each heartbeat.
	current string
	up      func(connector string) bool // has a control stream
	// Of the newest report of any session, the newest that says it, and of the current
	// one; they outlive it.
	lastSeen time.Time
	version  string
	svid     SVID
	stored   bool // its last-seen time was, since the program started
}

// reported is the newest report of a session.
type reported struct {
	Peer
	Session
	place *list.Element
}

// choose replaces the current session, if it ended, with the one of the last heartbeat; one
// at a connector with a control stream comes first, and replaces one without. With no
// open session the last connector remains.
func (s *sessions) choose() {
	best := s.open[s.current]
	if best != nil && s.up(s.current) {
		return
	}
	for _, one := range s.open {
		if s.better(one, best) {
			best = one
		}
	}
	if best != nil && best.ConnectorID != s.current {
		s.current, s.svid = best.ConnectorID, best.SVID
	}
}

// better says that one is to be shown rather than than, which may be nil.
func (s *sessions) better(one, than *reported) bool {
	if than == nil {
		return true
	}
	if up := s.up(one.ConnectorID); up != s.up(than.ConnectorID) {
		return up
	}
	// The current one is not given up for one that is no better.
	return than.ConnectorID != s.current && (one.ConnectorID == s.current || compareSessions(one.Session, than.Session) > 0)
}

// compareSessions orders by the last report; the rest only makes it total.
func compareSessions(a, b Session) int {
	return cmp.Or(a.LastSeen.Compare(b.LastSeen), a.Since.Compare(b.Since), cmp.Compare(b.ConnectorID, a.ConnectorID))
}

// end removes the session at a connector.
func (s *sessions) end(connector string) {
	delete(s.open, connector)
	s.choose()
}

// note replaces the report of a session.
func (s *sessions) note(connector string, p Report, now time.Time) {
	version := p.Version
	if before := s.open[connector]; before != nil && version == "" {
		version = before.Version
	}
	s.open[connector] = &reported{
		Peer: Peer{
			Workload: identity.Workload{Kind: identity.KindTunneler, ID: p.TunnelerID},
			Via:      "session at connector/" + connector, SVID: p.SVID, Trusts: p.Trusts,
		},
		Session: Session{ConnectorID: connector, Since: p.Since, LastSeen: now, Version: version, RemoteAddr: p.RemoteAddr},
	}
	s.lastSeen, s.version = now, cmp.Or(p.Version, s.version)
	s.choose()
}

func (s *sessions) presence() State {
	p := State{Status: Offline, LastSeen: s.lastSeen, Version: s.version, SVID: s.svid}
	if one := s.open[s.current]; one != nil {
		p.Status, p.Since, p.RemoteAddr = Online, one.Since, one.RemoteAddr
	}
	return p
}

func (s *sessions) list() []Session {
	out := make([]Session, 0, len(s.open))
	for _, one := range s.open {
		out = append(out, one.Session)
	}
	slices.SortFunc(out, func(a, b Session) int { return cmp.Compare(a.ConnectorID, b.ConnectorID) })
	return out
}

// settled returns the sessions of a tunneler as they are now, nil for one that was
// never reported. It needs r.mu.
func (r *Roster) settled(id string) *sessions {
	s := r.tunnelers[id]
	r.expire()
	if s != nil {
		s.choose()
	}
	return s
}

// TunnelerReport notes a report. A session at one connector does not end one at
// another: a tunneler may have both.
func (r *Roster) TunnelerReport(connectorID string, p Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := identity.Workload{Kind: identity.KindTunneler, ID: p.TunnelerID}
	s := r.settled(w.ID)
	if p.Detached {
		if s != nil {
			r.endSession(w.ID, s, connectorID)
			r.links.Wake()
		}
		return
	}
	if len(r.at[connectorID]) >= wire.MaxSessions && (s == nil || s.open[connectorID] == nil) {
		return // a connector takes no more, and one that lies does not fill the memory
	}
	if s == nil {
		s = &sessions{open: map[string]*reported{}, up: r.streaming}
		r.tunnelers[w.ID] = s
	}
	if was := s.open[connectorID]; was == nil || was.SVID.AuthorityID != p.SVID.AuthorityID || !slices.Equal(was.Trusts, p.Trusts) {
		r.links.Wake()
	}
	r.changeSession(w.ID, s, connectorID, func() { s.note(connectorID, p, r.now()) })
	if s.current == connectorID {
		r.noteSVID(&s.svid, p.SVID)
	}
	r.activity.Heartbeats++
	r.unsaved[w] = struct{}{}
	r.kick(w, Online)
}

// Tunneler returns the presence of a tunneler, the connector it is shown at and its
// open sessions by connector; stored is its last-seen time from before this program
// started.
func (r *Roster) Tunneler(id string, stored time.Time) (State, string, []Session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tunneler(id, stored)
}

// tunneler needs r.mu.
func (r *Roster) tunneler(id string, stored time.Time) (State, string, []Session) {
	p, current, open := State{Status: Offline, LastSeen: stored}, "", []Session(nil)
	if s := r.settled(id); s != nil {
		p, current, open = s.presence(), s.current, s.list()
	}
	if seen, ok := r.proofs[id]; ok {
		p.SVID, p.SVIDVerified = seen.svid, true
	}
	p.Outdated = r.outdated[identity.Workload{Kind: identity.KindTunneler, ID: id}]
	return p, current, open
}

// streaming says that a connector has a control stream. It needs r.mu.
func (r *Roster) streaming(connector string) bool {
	a := r.connectors[connector]
	return a != nil && !a.Since.IsZero()
}

// endSessionsAt drops what a connector reported that was revoked, and whose word counts
// no more, or that is another process now. It needs r.mu.
func (r *Roster) endSessionsAt(connector string) {
	r.expire()
	for id := range r.at[connector] {
		r.endSession(id, r.tunnelers[id], connector)
	}
}
