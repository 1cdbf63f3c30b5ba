package fleet

import (
	"cmp"
	"context"
	"slices"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

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
