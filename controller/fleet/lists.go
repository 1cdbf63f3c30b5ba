package fleet

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Present says what is known of members at this moment; presence.Roster is it.
type Present interface {
	// Connector and Tunneler return what is known of a member; stored is its last-seen
	// time from before this program started.
	Connector(id string, stored time.Time) presence.State
	Tunneler(id string, stored time.Time) (p presence.State, connector string, open []presence.Session)
	// LastSeen is the last heartbeat of a member, as those say it, for less.
	LastSeen(w identity.Workload, stored time.Time) time.Time
}

// Lists are the members and hosts as they are listed at one moment; they do not change.
// What a page costs does not depend on the fleet, except with Query.Search and in the
// order BySeen, which look at each entry, and with Query.Labels, which looks at those that
// have the first of them. These hold no lock meanwhile, and only as many
// run at once as there are places in scans.
type Lists struct {
	present    Present
	scans      chan struct{}
	connectors *table[Connector]
	tunnelers  *table[Tunneler]
	hosts      *table[home]
	networks   map[string]Count // of connectors
}

// newScans lets two run at once: they are bound by the processor, which others need too.
func newScans() chan struct{} { return make(chan struct{}, 2) }

// home is a host with the rows of its members, revoked ones too, each kind by id. It is
// put again whenever one of them is, so that a page looks up none.
type home struct {
	Host
	connectors []*Connector
	tunnelers  []*Tunneler
}

// memberIDs are the ids of a host's members.
type memberIDs struct{ connectors, tunnelers []string }

// HostMembers is a host with its members, revoked ones too: connectors, then tunnelers,
// each kind by id.
type HostMembers struct {
	Host    Host
	Members []HostMember
}

// HostMember is what the page of a host says of one of its members.
type HostMember struct {
	identity.Workload
	RevokedAt time.Time // zero when it is not
	Status    presence.Status
	LastSeen  time.Time // zero when it never was
}

// NewHostMember returns it for a member and its presence.
func NewHostMember(m *Member, p presence.State) HostMember {
	out := HostMember{Workload: m.Workload, RevokedAt: m.RevokedAt, Status: presence.Offline, LastSeen: later(m.LastSeenAt, p.LastSeen)}
	if p.Status == presence.Online {
		out.Status = presence.Online
	}
	return out
}

// Connectors returns a page of connectors.
func (l *Lists) Connectors(ctx context.Context, q Query) (Page[Connector], error) {
	return page(ctx, l.connectors, q, view[Connector, Connector]{
		scans:   l.scans,
		seen:    func(c *Connector) time.Time { return l.present.LastSeen(c.Workload, c.LastSeenAt) },
		matches: l.matchConnector,
		show:    func(c *Connector) Connector { return connectorNow(l.present, *c) },
	})
}

// Tunnelers returns a page of tunnelers.
func (l *Lists) Tunnelers(ctx context.Context, q Query) (Page[Tunneler], error) {
	return page(ctx, l.tunnelers, q, view[Tunneler, Tunneler]{
		scans:   l.scans,
		seen:    func(t *Tunneler) time.Time { return l.present.LastSeen(t.Workload, t.LastSeenAt) },
		matches: l.matchTunneler,
		show:    func(t *Tunneler) Tunneler { return tunnelerNow(l.present, *t) },
	})
}

// Hosts returns a page of hosts. A host is ONLINE while one of its members is, and was
// seen when one of them was.
func (l *Lists) Hosts(ctx context.Context, q Query) (Page[HostMembers], error) {
	return page(ctx, l.hosts, q, view[home, HostMembers]{scans: l.scans, seen: l.seenOn, matches: matchHost, show: l.hostNow})
}

// ConnectorCount is how many connectors are not revoked.
func (l *Lists) ConnectorCount() Count { return l.connectors.count() }

// TunnelerIDs are the ids of all tunnelers, revoked ones too. It looks at each.
func (l *Lists) TunnelerIDs() []string {
	return everything(l.tunnelers, func(t *Tunneler) string { return t.ID })
}

// TunnelerCount is how many tunnelers are not revoked.
func (l *Lists) TunnelerCount() Count { return l.tunnelers.count() }

// NetworkCount is how many connectors of a network are not revoked.
func (l *Lists) NetworkCount(id string) Count { return l.networks[id] }

// Live says that a member is enrolled and not revoked.
func (l *Lists) Live(w identity.Workload) bool {
	if w.Kind == identity.KindConnector {
		e := l.connectors.get(w.ID)
		return e != nil && e.part&gone == 0
	}
	e := l.tunnelers.get(w.ID)
	return e != nil && e.part&gone == 0
}

// Signs returns how many signs there are that an operator is to look into, and those
// members that have the first ones: connectors that refuse this controller, then members
// that it refuses, then those on cloned and on contested hosts; of each as many as most.
func (l *Lists) Signs(most int) (total int, connectors []Connector, tunnelers []Tunneler) {
	var cs, ts []string
	for i := range l.connectors.signs {
		total += l.connectors.signs[i].Len() + l.tunnelers.signs[i].Len()
		cs = append(cs, firstIDs(l.connectors.signs[i], most)...)
		ts = append(ts, firstIDs(l.tunnelers.signs[i], most)...)
	}
	return total, l.connectorsOf(cs), l.tunnelersOf(ts)
}

// Host is one of the hosts, or not ok.
func (l *Lists) Host(id identity.HostID) (h Host, ok bool) {
	e := l.hosts.get(string(id))
	if e == nil {
		return Host{}, false
	}
	return e.row.Host, true
}

// OfflineSince counts the connectors that are OFFLINE and were last seen before a time,
// or enrolled before it and never seen; and returns those that went last, as many as most:
// one that was never seen went when it was enrolled.
// It looks at each connector that went later, and at each that was never seen.
func (l *Lists) OfflineSince(before time.Time, most int) (total int, last []Connector) {
	away := l.connectors.parts[0][orderSeen]
	total = away.Len()
	var found []*entry[Connector]
	away.Reverse(func(e *entry[Connector]) bool {
		switch {
		case e.seen == noTime:
			return false
		case e.seen >= micros(before):
			total--
		case len(found) < most:
			found = append(found, e)
		default:
			return false
		}
		return true
	})
	away.Scan(func(e *entry[Connector]) bool {
		switch {
		case e.seen != noTime:
			return false
		case e.enrolled >= micros(before):
			total--
		default:
			found = append(found, e)
		}
		return true
	})
	slices.SortStableFunc(found, func(a, b *entry[Connector]) int { return cmp.Compare(wentAt(b), wentAt(a)) })
	for _, e := range found[:min(most, len(found))] {
		last = append(last, connectorNow(l.present, *e.row))
	}
	return total, last
}

func wentAt(e *entry[Connector]) int64 {
	if e.seen == noTime {
		return e.enrolled
	}
	return e.seen
}

func firstIDs[T any](tree *tree[T], most int) (ids []string) {
	tree.Scan(func(e *entry[T]) bool {
		if len(ids) < most {
			ids = append(ids, e.id)
		}
		return len(ids) < most
	})
	return ids
}

func (l *Lists) connectorsOf(ids []string) []Connector {
	out := make([]Connector, 0, len(ids))
	for _, id := range distinct(ids) {
		if e := l.connectors.get(id); e != nil {
			out = append(out, connectorNow(l.present, *e.row))
		}
	}
	return out
}

func (l *Lists) tunnelersOf(ids []string) []Tunneler {
	out := make([]Tunneler, 0, len(ids))
	for _, id := range distinct(ids) {
		if e := l.tunnelers.get(id); e != nil {
			out = append(out, tunnelerNow(l.present, *e.row))
		}
	}
	return out
}

func distinct(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (l *Lists) hostNow(h *home) HostMembers {
	return membersNow(l.present, h.Host, h.connectors, h.tunnelers)
}

// membersNow adds what is known at this moment of a host's members.
func membersNow(now Present, h Host, connectors []*Connector, tunnelers []*Tunneler) HostMembers {
	out := HostMembers{Host: h, Members: make([]HostMember, 0, len(connectors)+len(tunnelers))}
	for _, c := range connectors {
		out.Members = append(out.Members, NewHostMember(&c.Member, now.Connector(c.ID, c.LastSeenAt)))
	}
	for _, t := range tunnelers {
		p, _, _ := now.Tunneler(t.ID, t.LastSeenAt)
		out.Members = append(out.Members, NewHostMember(&t.Member, p))
	}
	return out
}

// seenOn is when the newest of a host's members was.
func (l *Lists) seenOn(h *home) (newest time.Time) {
	for _, c := range h.connectors {
		newest = later(newest, l.present.LastSeen(c.Workload, c.LastSeenAt))
	}
	for _, t := range h.tunnelers {
		newest = later(newest, l.present.LastSeen(t.Workload, t.LastSeenAt))
	}
	return newest
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// connectorNow adds what is known of a connector at this moment.
func connectorNow(now Present, c Connector) Connector {
	c.Presence = now.Connector(c.ID, c.LastSeenAt)
	c.LastSeenAt = c.Presence.LastSeen
	return c
}

// tunnelerNow adds what is known of a tunneler at this moment.
func tunnelerNow(now Present, t Tunneler) Tunneler {
	p, current, sessions := now.Tunneler(t.ID, t.LastSeenAt)
	t.Presence, t.Sessions, t.LastSeenAt = p, sessions, p.LastSeen
	t.Version = cmp.Or(p.Version, t.Version)
	t.ConnectorID = cmp.Or(current, t.ConnectorID)
	return t
}

// contains looks for a text, which is in lower case, in texts of either case.
func contains(text string, in ...string) bool {
	for _, s := range in {
		if strings.Contains(s, text) || strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return false
}

// containsLower looks for it in texts that have no upper case: ids and IP addresses.
func containsLower(text string, in ...string) bool {
	for _, s := range in {
		if strings.Contains(s, text) {
			return true
		}
	}
	return false
}

func (l *Lists) matchConnector(c *Connector, text string) bool {
	return containsLower(text, c.ID, string(c.HostID), c.NetworkID) || contains(text, c.Version, c.PrivateIP) || contains(text, c.Addresses...) ||
		c.About.contains(text) || containsLower(text, l.present.Connector(c.ID, c.LastSeenAt).RemoteAddr)
}

func (l *Lists) matchTunneler(t *Tunneler, text string) bool {
	if containsLower(text, t.ID, string(t.HostID)) || t.About.contains(text) {
		return true
	}
	p, current, sessions := l.present.Tunneler(t.ID, t.LastSeenAt)
	return contains(text, cmp.Or(p.Version, t.Version), cmp.Or(current, t.ConnectorID), p.RemoteAddr) ||
		slices.ContainsFunc(sessions, func(s presence.Session) bool { return contains(text, s.ConnectorID) })
}

func matchHost(h *home, text string) bool {
	return contains(text, string(h.ID), h.Hostname) || h.About.contains(text) ||
		slices.ContainsFunc(h.connectors, func(c *Connector) bool { return containsLower(text, c.ID) }) ||
		slices.ContainsFunc(h.tunnelers, func(t *Tunneler) bool { return containsLower(text, t.ID) })
}

// contains looks for a text in what operators say, save for the notes.
func (a About) contains(text string) bool {
	return contains(text, a.Name) || len(a.Labels) > 0 && contains(text, a.Labels.Texts()...)
}
