package fleet

import (
	"cmp"
	"context"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Lists returns the members and hosts as they are at this moment, to be read in pages.
func (f *Fleet) Lists(ctx context.Context) (*Lists, error) { return f.index.current(ctx) }

// Connectors lists all connectors, revoked ones too, with their presence, by id. It costs the time of the
// fleet: Lists has pages.
func (f *Fleet) Connectors(ctx context.Context) ([]Connector, error) {
	l, err := f.Lists(ctx)
	if err != nil {
		return nil, err
	}
	return everything(l.connectors, func(c *Connector) Connector { return connectorNow(l.present, *c) }), nil
}

// Tunnelers lists all tunnelers with their presence, by id, as Connectors does.
func (f *Fleet) Tunnelers(ctx context.Context) ([]Tunneler, error) {
	l, err := f.Lists(ctx)
	if err != nil {
		return nil, err
	}
	return everything(l.tunnelers, func(t *Tunneler) Tunneler { return tunnelerNow(l.present, *t) }), nil
}

// Hosts lists all hosts, revoked ones too, without their certificates and keys, as
// Connectors does.
func (f *Fleet) Hosts(ctx context.Context) ([]Host, error) {
	l, err := f.Lists(ctx)
	if err != nil {
		return nil, err
	}
	return everything(l.hosts, func(h *home) Host { return h.Host }), nil
}

// everything lists a table by id, with those that were revoked.
func everything[T, R any](t *table[T], show func(*T) R) []R {
	var parts []part
	for p := range part(allPart) {
		parts = append(parts, p)
	}
	out := make([]R, 0, t.len(parts))
	next := t.walk(orderID, false, nil, parts)
	for e := next(); e != nil; e = next() {
		out = append(out, show(e.row))
	}
	return out
}

// Connector returns one connector with its presence, or ErrNotFound. It reads that one.
func (f *Fleet) Connector(ctx context.Context, id string) (Connector, error) {
	found, err := f.cfg.Store.ConnectorsByID(ctx, []string{id})
	if err != nil || len(found) == 0 {
		return Connector{}, cmp.Or(err, ErrNotFound)
	}
	return connectorNow(f.cfg.Roster, found[0]), nil
}

// Tunneler returns one tunneler with its presence, or ErrNotFound. It reads that one.
func (f *Fleet) Tunneler(ctx context.Context, id string) (Tunneler, error) {
	found, err := f.cfg.Store.TunnelersByID(ctx, []string{id})
	if err != nil || len(found) == 0 {
		return Tunneler{}, cmp.Or(err, ErrNotFound)
	}
	return tunnelerNow(f.cfg.Roster, found[0]), nil
}

// Host returns one host and all its members, or ErrNotFound. It reads those.
func (f *Fleet) Host(ctx context.Context, id identity.HostID) (HostMembers, error) {
	h, err := f.cfg.Store.HostByID(ctx, id)
	if err != nil {
		return HostMembers{}, err
	}
	connectors, tunnelers, err := f.cfg.Store.MembersOn(ctx, id)
	if err != nil {
		return HostMembers{}, err
	}
	return membersNow(f.cfg.Roster, h, pointers(connectors), pointers(tunnelers)), nil
}

func pointers[T any](all []T) []*T {
	out := make([]*T, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	return out
}

// Networks lists all networks, by id.
func (f *Fleet) Networks(ctx context.Context) ([]Network, error) { return f.cfg.Store.Networks(ctx) }

// Activity is what the roster has noted since the program started.
func (f *Fleet) Activity() presence.Activity { return f.cfg.Roster.Activity() }
