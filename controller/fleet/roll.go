package fleet

import (
	"cmp"
	"maps"
	"slices"
	"time"
	"unique"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// roll is what Lists are made of, and is changed by what changes.
type roll struct {
	present    Present
	connectors *table[Connector]
	tunnelers  *table[Tunneler]
	hosts      *table[home]
	scans      chan struct{}
	on         map[identity.HostID]memberIDs
	networks   map[string]Count
}

func newRoll(present Present, scans chan struct{}) *roll {
	return &roll{
		present: present, scans: scans,
		connectors: newTable(func(c *Connector) access.Labels { return c.About.Labels }),
		tunnelers:  newTable(func(t *Tunneler) access.Labels { return t.About.Labels }),
		hosts:      newTable(func(h *home) access.Labels { return h.About.Labels }),
		on:         map[identity.HostID]memberIDs{}, networks: map[string]Count{},
	}
}

// NewLists returns the lists of these rows. The presence in them is not looked at.
func NewLists(present Present, connectors []Connector, tunnelers []Tunneler, hosts []Host) *Lists {
	r := newRoll(present, newScans())
	r.load(slices.Clone(connectors), slices.Clone(tunnelers), slices.Clone(hosts))
	return r.lists()
}

func (r *roll) lists() *Lists {
	return &Lists{
		present: r.present, scans: r.scans, connectors: r.connectors.copy(), tunnelers: r.tunnelers.copy(), hosts: r.hosts.copy(), networks: maps.Clone(r.networks),
	}
}

// load puts rows, of which it keeps those that it is given.
func (r *roll) load(connectors []Connector, tunnelers []Tunneler, hosts []Host) {
	homes := map[identity.HostID]struct{}{}
	for i := range hosts {
		h := &hosts[i]
		h.Certificate, h.KeyHash = nil, nil // no list shows them
		r.hosts.put(&entry[home]{id: string(h.ID), row: &home{Host: *h}})
		homes[h.ID] = struct{}{}
	}
	for i := range connectors {
		c := &connectors[i]
		r.settle(c.HostID, identity.KindConnector, c.ID, homes)
		r.putConnector(c, r.present.Connector(c.ID, time.Time{}))
	}
	for i := range tunnelers {
		t := &tunnelers[i]
		p, _, _ := r.present.Tunneler(t.ID, time.Time{})
		r.settle(t.HostID, identity.KindTunneler, t.ID, homes)
		r.putTunneler(t, p)
	}
	for id := range homes {
		r.refreshHost(id)
	}
}

// forget takes rows away. A host whose members stay is put again by load, or is gone
// with them.
func (r *roll) forget(connectorIDs, tunnelerIDs, hostIDs []string) {
	homes := map[identity.HostID]struct{}{}
	for _, id := range connectorIDs {
		if old := r.connectors.remove(id); old != nil {
			r.countIn(old, -1)
			r.unsettle(old.row.HostID, identity.KindConnector, id, homes)
		}
	}
	for _, id := range tunnelerIDs {
		if old := r.tunnelers.remove(id); old != nil {
			r.unsettle(old.row.HostID, identity.KindTunneler, id, homes)
		}
	}
	for _, id := range hostIDs {
		r.hosts.remove(id)
	}
	for id := range homes {
		r.refreshHost(id)
	}
}

// turn notes what a member is now, and reports whether it is listed.
func (r *roll) turn(t presence.Turn) (listed bool) {
	if t.Kind == identity.KindConnector {
		e := r.connectors.get(t.ID)
		if e == nil {
			return false
		}
		r.putConnector(e.row, t.State)
		r.refreshHost(e.row.HostID)
		return true
	}
	e := r.tunnelers.get(t.ID)
	if e == nil {
		return false
	}
	r.putTunneler(e.row, t.State)
	r.refreshHost(e.row.HostID)
	return true
}

func (r *roll) putConnector(c *Connector, p presence.State) {
	e := entryOf(c, &c.Member, p, c.Version, c.Clone != nil, c.Contested)
	if old := r.connectors.put(e); old != nil {
		r.countIn(old, -1)
	}
	r.countIn(e, 1)
}

func (r *roll) putTunneler(t *Tunneler, p presence.State) {
	r.tunnelers.put(entryOf(t, &t.Member, p, cmp.Or(p.Version, t.Version), t.Clone != nil, t.Contested))
}

// entryOf is how a member is filtered and ordered.
func entryOf[T any](row *T, m *Member, p presence.State, version string, isCloned, isContested bool) *entry[T] {
	e := &entry[T]{
		id: m.ID, row: row, enrolled: micros(m.EnrolledAt), seen: micros(p.LastSeen),
		label: unique.Make(NumberKey(version)).Value(), // of many members
	}
	if p.LastSeen.IsZero() {
		e.seen = micros(m.LastSeenAt)
	}
	if p.Status == presence.Online {
		e.part |= online
	}
	if !m.Live() {
		e.part |= gone
		return e // nobody has to look into it
	}
	e.signs = refusing.when(p.Refusal != "" && p.Status == presence.Online) | outdated.when(p.Outdated != "") | cloned.when(isCloned) | contested.when(isContested)
	return e
}

// countIn counts a connector in its network, or not any more.
func (r *roll) countIn(e *entry[Connector], n int) {
	if e.part&gone != 0 {
		return
	}
	c := r.networks[e.row.NetworkID]
	c.Total += n
	if e.part&online != 0 {
		c.Online += n
	}
	if r.networks[e.row.NetworkID] = c; c.Total == 0 {
		delete(r.networks, e.row.NetworkID)
	}
}

// settle notes that a member is on a host.
func (r *roll) settle(host identity.HostID, kind identity.Kind, id string, homes map[identity.HostID]struct{}) {
	homes[host] = struct{}{}
	on := r.on[host]
	ids := on.of(kind)
	if at, found := slices.BinarySearch(*ids, id); !found {
		*ids = slices.Insert(*ids, at, id)
	}
	r.on[host] = on
}

// unsettle notes that it is not any more.
func (r *roll) unsettle(host identity.HostID, kind identity.Kind, id string, homes map[identity.HostID]struct{}) {
	homes[host] = struct{}{}
	on := r.on[host]
	ids := on.of(kind)
	*ids = slices.DeleteFunc(*ids, func(one string) bool { return one == id })
	if r.on[host] = on; len(on.connectors)+len(on.tunnelers) == 0 {
		delete(r.on, host)
	}
}

func (on *memberIDs) of(kind identity.Kind) *[]string {
	if kind == identity.KindConnector {
		return &on.connectors
	}
	return &on.tunnelers
}

// refreshHost puts a host again, after itself or one of its members changed.
func (r *roll) refreshHost(id identity.HostID) {
	old := r.hosts.get(string(id))
	if old == nil {
		return
	}
	on := r.on[id]
	h := &home{Host: old.row.Host, connectors: make([]*Connector, 0, len(on.connectors)), tunnelers: make([]*Tunneler, 0, len(on.tunnelers))}
	e := &entry[home]{id: string(id), row: h, enrolled: micros(h.EnrolledAt), label: h.Hostname, seen: noTime}
	if !h.RevokedAt.IsZero() {
		e.part |= gone
	}
	for _, one := range on.connectors {
		if m := r.connectors.get(one); m != nil {
			h.connectors = append(h.connectors, m.row)
			e.part, e.seen = e.part|m.part&online, max(e.seen, m.seen)
		}
	}
	for _, one := range on.tunnelers {
		if m := r.tunnelers.get(one); m != nil {
			h.tunnelers = append(h.tunnelers, m.row)
			e.part, e.seen = e.part|m.part&online, max(e.seen, m.seen)
		}
	}
	r.hosts.put(e)
}
