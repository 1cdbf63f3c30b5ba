package apitest

import (
	"context"
	"errors"
	"slices"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Edits are who asked for the changes that took effect.
func (f *Fleet) Edits() []fleet.By {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.edits)
}

// EditMember implements api.Fleet.
func (f *Fleet) EditMember(_ context.Context, w identity.Workload, e fleet.Edit, by fleet.By) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.find(w)
	switch {
	case f.err != nil:
		return f.err
	case m == nil:
		return fleet.ErrNotFound
	case !m.Live():
		return fleet.ErrGone
	case e.NetworkID != nil && w.Kind != identity.KindConnector:
		return &fleet.FieldError{Field: "network_id", Err: errors.New("only a connector is in a network")}
	}
	if i := slices.IndexFunc(f.connectors, func(c fleet.Connector) bool { return c.ID == w.ID }); e.NetworkID != nil && *e.NetworkID == f.connectors[i].NetworkID {
		e.NetworkID = nil
	}
	after, err := e.Apply(m.About)
	if err != nil {
		return err
	}
	if e.NetworkID != nil {
		i := slices.IndexFunc(f.connectors, func(c fleet.Connector) bool { return c.ID == w.ID })
		if *e.NetworkID != fleet.DefaultNetwork && !slices.ContainsFunc(f.networks, func(n fleet.Network) bool { return n.ID == *e.NetworkID }) {
			return &fleet.FieldError{Field: "network_id", Err: errors.New("there is no such network")}
		}
		f.connectors[i].NetworkID = *e.NetworkID
	}
	if after.Revision != m.About.Revision {
		m.About, f.edits = after, append(f.edits, by)
	}
	return nil
}

// EditHost implements api.Fleet.
func (f *Fleet) EditHost(_ context.Context, id identity.HostID, e fleet.Edit, by fleet.By) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.hosts, func(h fleet.Host) bool { return h.ID == id })
	if f.err != nil {
		return f.err
	}
	if i < 0 {
		return fleet.ErrNotFound
	}
	after, err := e.Apply(f.hosts[i].About)
	if err != nil {
		return err
	}
	if after.Revision != f.hosts[i].About.Revision {
		f.hosts[i].About, f.edits = after, append(f.edits, by)
	}
	return nil
}

// Network implements api.Fleet.
func (f *Fleet) Network(ctx context.Context, id string) (fleet.Network, error) {
	all, err := f.Networks(ctx)
	return oneOf(all, err, func(n fleet.Network) bool { return n.ID == id })
}

// CreateNetwork implements api.Fleet.
func (f *Fleet) CreateNetwork(ctx context.Context, text fleet.NetworkText, by fleet.By) (fleet.Network, error) {
	n, err := text.Parse()
	if err != nil {
		return n, err
	}
	n.CreatedAt = f.now()
	if _, err := f.Network(ctx, n.ID); err == nil {
		return n, fleet.ExistsError{Kind: "network", ID: n.ID}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.networks, f.edits = append(f.networks, n), append(f.edits, by)
	return n, f.err
}

// EditNetwork implements api.Fleet.
func (f *Fleet) EditNetwork(_ context.Context, id string, e fleet.NetworkEdit, by fleet.By) (fleet.Network, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.networks, func(n fleet.Network) bool { return n.ID == id })
	switch {
	case f.err != nil:
		return fleet.Network{}, f.err
	case i < 0:
		return fleet.Network{}, fleet.ErrNotFound
	case e.Revision != 0 && e.Revision != f.networks[i].Revision:
		return fleet.Network{}, fleet.ErrStale
	}
	if e.Name != nil {
		if _, err := (fleet.NetworkText{ID: id, Name: *e.Name}).Parse(); err != nil {
			return fleet.Network{}, err
		}
	}
	if e.Name != nil && *e.Name != f.networks[i].Name {
		f.networks[i].Name, f.edits = *e.Name, append(f.edits, by)
		f.networks[i].Revision++
	}
	if e.Prefixes != nil {
		prefixes, err := access.ParsePrefixes(*e.Prefixes)
		if err != nil {
			return fleet.Network{}, err
		}
		f.networks[i].Prefixes, f.edits = prefixes, append(f.edits, by)
		f.networks[i].Revision++
	}
	return f.networks[i], nil
}

// DeleteNetwork implements api.Fleet.
func (f *Fleet) DeleteNetwork(_ context.Context, id string, by fleet.By) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.networks, func(n fleet.Network) bool { return n.ID == id })
	switch {
	case f.err != nil:
		return f.err
	case id == fleet.DefaultNetwork:
		return fleet.ErrDefaultNetwork
	case i < 0:
		return fleet.ErrNotFound
	}
	used := &fleet.InUseError{}
	for _, c := range f.connectors {
		if c.NetworkID == id && c.Live() {
			used.Connectors, used.Total = append(used.Connectors, c.ID), used.Total+1
		}
	}
	if used.Total > 0 {
		return used
	}
	f.networks, f.edits = slices.Delete(f.networks, i, i+1), append(f.edits, by)
	return nil
}

// Labelled implements api.Fleet.
func (f *Fleet) Labelled(_ context.Context, labels []access.Label, kind identity.Kind) (out fleet.Selection, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.connectors {
		if c.Live() && c.About.Labels.Has(labels) && kind != identity.KindTunneler {
			out.Members = append(out.Members, c.Member)
		}
	}
	for _, t := range f.tunnelers {
		if t.Live() && t.About.Labels.Has(labels) && kind != identity.KindConnector {
			out.Members = append(out.Members, t.Member)
		}
	}
	return out, f.err
}

// RevokeLabelled implements api.Fleet.
func (f *Fleet) RevokeLabelled(ctx context.Context, b fleet.BulkRevocation) ([]fleet.Member, error) {
	now, err := f.Labelled(ctx, b.Labels, b.Kind)
	if err != nil {
		return nil, err
	}
	if now.Digest() != b.Selection {
		return nil, fleet.ErrSelection
	}
	for _, m := range now.Members {
		if err := f.Revoke(ctx, fleet.Revocation{Workload: m.Workload, Actor: b.By.Actor, RequestID: b.By.RequestID, From: b.By.From}); err != nil {
			return nil, err
		}
	}
	return now.Members, nil
}
