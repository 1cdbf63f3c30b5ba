package fleet

import (
	"cmp"
	"context"
	"slices"
	"sync"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
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
	return f.connectorsNow(slices.Clone(r.connectors)), nil
}

// Tunnelers lists all tunnelers with their presence, by id.
func (f *Fleet) Tunnelers(ctx context.Context) ([]Tunneler, error) {
	r, err := f.index.current(ctx)
	if err != nil {
		return nil, err
	}
	return f.tunnelersNow(slices.Clone(r.tunnelers)), nil
}

// Connector returns one connector with its presence, or ErrNotFound. It reads that one.
func (f *Fleet) Connector(ctx context.Context, id string) (Connector, error) {
	found, err := f.cfg.Store.ConnectorsByID(ctx, []string{id})
	if err != nil || len(found) == 0 {
		return Connector{}, cmp.Or(err, ErrNotFound)
	}
	return f.connectorsNow(found)[0], nil
}

// Tunneler returns one tunneler with its presence, or ErrNotFound. It reads that one.
func (f *Fleet) Tunneler(ctx context.Context, id string) (Tunneler, error) {
	found, err := f.cfg.Store.TunnelersByID(ctx, []string{id})
	if err != nil || len(found) == 0 {
		return Tunneler{}, cmp.Or(err, ErrNotFound)
	}
	return f.tunnelersNow(found)[0], nil
}

// Host returns one host and all its members, or ErrNotFound. It reads those.
func (f *Fleet) Host(ctx context.Context, id identity.HostID) (Host, []Connector, []Tunneler, error) {
	h, err := f.cfg.Store.HostByID(ctx, id)
	if err != nil {
		return h, nil, nil, err
	}
	connectors, tunnelers, err := f.cfg.Store.MembersOn(ctx, id)
	return h, f.connectorsNow(connectors), f.tunnelersNow(tunnelers), err
}

// connectorsNow adds what is known of them at this moment.
func (f *Fleet) connectorsNow(all []Connector) []Connector {
	for i := range all {
		all[i].Presence = f.cfg.Roster.Connector(all[i].ID, all[i].LastSeenAt)
		all[i].LastSeenAt = all[i].Presence.LastSeen
	}
	return all
}

// tunnelersNow adds what is known of them at this moment.
func (f *Fleet) tunnelersNow(all []Tunneler) []Tunneler {
	for i := range all {
		p, current, sessions := f.cfg.Roster.Tunneler(all[i].ID, all[i].LastSeenAt)
		all[i].Presence, all[i].Sessions, all[i].LastSeenAt = p, sessions, p.LastSeen
		all[i].Version = cmp.Or(p.Version, all[i].Version)
		all[i].ConnectorID = cmp.Or(current, all[i].ConnectorID)
	}
	return all
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
