package fleet_test

import (
	"context"
	"maps"
	"slices"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// memory is as much of a store as lists read, with its change log.
type memory struct {
	fleet.Store // nil: lists ask for nothing else

	connectors map[string]fleet.Connector
	tunnelers  map[string]fleet.Tunneler
	hosts      map[identity.HostID]fleet.Host
	log        []changelog.Change
	pruned     int // changes that are no longer in the log
	whole      int // reads of all rows
}

func newMemory() *memory {
	return &memory{connectors: map[string]fleet.Connector{}, tunnelers: map[string]fleet.Tunneler{}, hosts: map[identity.HostID]fleet.Host{}}
}

func (m *memory) changed(kind changelog.Kind, id string) {
	m.log = append(m.log, changelog.Change{Seq: uint64(len(m.log) + 1), Kind: kind, ID: id, Op: changelog.Changed})
}

func (m *memory) putConnector(c fleet.Connector) {
	m.connectors[c.ID] = c
	m.changed(changelog.Connector, c.ID)
}

func (m *memory) putTunneler(t fleet.Tunneler) {
	m.tunnelers[t.ID] = t
	m.changed(changelog.Tunneler, t.ID)
}

// putHost has its members say what is said of it.
func (m *memory) putHost(h fleet.Host) {
	m.hosts[h.ID] = h
	m.changed(changelog.Host, string(h.ID))
	for id, c := range m.connectors {
		if c.HostID == h.ID {
			c.Contested = !h.ContestedAt.IsZero()
			m.connectors[id] = c
		}
	}
	for id, t := range m.tunnelers {
		if t.HostID == h.ID {
			t.Contested = !h.ContestedAt.IsZero()
			m.tunnelers[id] = t
		}
	}
}

func (m *memory) ChangePosition(context.Context) (uint64, error) { return uint64(len(m.log)), nil }

func (m *memory) Changes(_ context.Context, after uint64, limit int) ([]changelog.Change, error) {
	from := max(int(after), m.pruned)
	return m.log[from:min(len(m.log), from+limit)], nil
}

func (m *memory) Connectors(context.Context) ([]fleet.Connector, error) {
	m.whole++
	return valuesOf(m.connectors), nil
}

func (m *memory) Tunnelers(context.Context) ([]fleet.Tunneler, error) {
	return valuesOf(m.tunnelers), nil
}

func (m *memory) Hosts(context.Context) ([]fleet.Host, error) { return valuesOf(m.hosts), nil }

func valuesOf[K ~string, V any](m map[K]V) (out []V) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

func someOf[K ~string, V any](m map[K]V, ids []string) (out []V) {
	for _, id := range ids {
		if v, ok := m[K(id)]; ok {
			out = append(out, v)
		}
	}
	return out
}

func (m *memory) ConnectorsByID(_ context.Context, ids []string) ([]fleet.Connector, error) {
	return someOf(m.connectors, ids), nil
}

func (m *memory) TunnelersByID(_ context.Context, ids []string) ([]fleet.Tunneler, error) {
	return someOf(m.tunnelers, ids), nil
}

func (m *memory) HostsByID(_ context.Context, ids []string) ([]fleet.Host, error) {
	return someOf(m.hosts, ids), nil
}

func (m *memory) MembersOn(_ context.Context, id identity.HostID) (cs []fleet.Connector, ts []fleet.Tunneler, _ error) {
	for _, c := range valuesOf(m.connectors) {
		if c.HostID == id {
			cs = append(cs, c)
		}
	}
	for _, t := range valuesOf(m.tunnelers) {
		if t.HostID == id {
			ts = append(ts, t)
		}
	}
	return cs, ts, nil
}
