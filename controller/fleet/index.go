package fleet

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
)

// index keeps what lists read of the store in memory: to read ten thousand rows
// for each look at the dashboard would cost more than all else in it. The store
// counts the changes (see FleetRevision); who was seen when is the roster's.
type index struct {
	store Store

	mu   sync.Mutex // held while rows are read: one reader is enough
	rows rows
}

// rows are never changed, only replaced.
type rows struct {
	revision   uint64
	connectors []Connector
	tunnelers  []Tunneler
	hosts      []Host
}

// current returns rows that are as new as the call, or newer.
func (x *index) current(ctx context.Context) (rows, error) {
	// The revision is read first: rows may be newer than it says, never older.
	revision, err := x.store.FleetRevision(ctx)
	if err != nil {
		return rows{}, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.rows.revision >= revision {
		return x.rows, nil
	}
	next := rows{revision: revision}
	if next.connectors, err = x.store.Connectors(ctx); err != nil {
		return rows{}, err
	}
	if next.tunnelers, err = x.store.Tunnelers(ctx); err != nil {
		return rows{}, err
	}
	if next.hosts, err = x.store.Hosts(ctx); err != nil {
		return rows{}, err
	}
	for i := range next.hosts {
		next.hosts[i].Certificate, next.hosts[i].KeyHash = nil, nil // no list shows them
	}
	x.rows = next
	return next, nil
}

// Connectors lists all connectors with their presence, by id.
func (f *Fleet) Connectors(ctx context.Context) ([]Connector, error) {
	r, err := f.index.current(ctx)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(r.connectors)
	for i := range all {
		all[i].Presence = f.cfg.Roster.Connector(all[i].ID, all[i].LastSeenAt)
		all[i].LastSeenAt = all[i].Presence.LastSeen
	}
	return all, nil
}

// Tunnelers lists all tunnelers with their presence, by id.
func (f *Fleet) Tunnelers(ctx context.Context) ([]Tunneler, error) {
	r, err := f.index.current(ctx)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(r.tunnelers)
	for i := range all {
		p, current, sessions := f.cfg.Roster.Tunneler(all[i].ID, all[i].LastSeenAt)
		all[i].Presence, all[i].Sessions, all[i].LastSeenAt = p, sessions, p.LastSeen
		all[i].Version = cmp.Or(p.Version, all[i].Version)
		if current != "" {
			all[i].ConnectorID = current
		}
	}
	return all, nil
}

// Hosts lists all hosts, revoked ones too, without their certificates and keys.
func (f *Fleet) Hosts(ctx context.Context) ([]Host, error) {
	r, err := f.index.current(ctx)
	return slices.Clone(r.hosts), err
}

// Networks lists all networks, by id.
func (f *Fleet) Networks(ctx context.Context) ([]Network, error) { return f.cfg.Store.Networks(ctx) }

// Activity is what the roster has noted since the program started.
func (f *Fleet) Activity() presence.Activity { return f.cfg.Roster.Activity() }
