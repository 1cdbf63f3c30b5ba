package policy

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Question is what Explain answers: may this tunneler reach this target?
type Question struct {
	TunnelerID string
	Target     access.Target
	// NetworkID is where; empty for any network.
	NetworkID string
	// Address is one that the name of the target leads to; the zero Addr asks for the name alone.
	Address netip.Addr
}

// Answer is what a connector of a network would decide.
type Answer struct {
	access.Decision

	NetworkID string // of the decision; empty if no network has a resource that covers the target
	// Enrolled says whether the tunneler is there and not revoked: nobody else has a session.
	Enrolled bool
}

// ExplainStore is what Explain reads; store.Store is it.
type ExplainStore interface {
	Resources(ctx context.Context) ([]Resource, error)
	Grants(ctx context.Context) ([]Grant, error)
	Networks(ctx context.Context) ([]fleet.Network, error)
	TunnelersByID(ctx context.Context, ids []string) ([]fleet.Tunneler, error)
}

// Explain decides by the function that connectors ask, with all that is in the store now.
// Without a network it is that of the network that allows it or, if none does, of the first
// in which a resource covers the target. Errors: fleet.ErrNotFound for a network.
func (r *Rules) Explain(ctx context.Context, q Question) (Answer, error) {
	store, td, now := r.cfg.Store, r.cfg.TrustDomain, r.cfg.Now()
	caller, enrolled, err := callerOf(ctx, store, td, q.TunnelerID)
	if err != nil {
		return Answer{}, err
	}
	sets, err := setsOf(ctx, store, td, q, caller.Labels)
	if err != nil {
		return Answer{}, err
	}
	out := decideIn(sets, caller, q, now)
	out.Enrolled = enrolled
	return out, nil
}

// decideIn decides in each network that a question is about.
func decideIn(sets []networkSet, caller access.Caller, q Question, now time.Time) Answer {
	best := Answer{Decision: access.Decision{Code: access.NoResource}}
	for _, s := range sets {
		if q.NetworkID != "" && q.NetworkID != s.network {
			continue
		}
		d := s.set.Decide(caller, q.Target, now)
		if q.Address.IsValid() {
			d = s.set.DecideAddress(caller, d, netip.AddrPortFrom(q.Address, q.Target.Port), now)
		}
		switch {
		case d.Allowed:
			return Answer{Decision: d, NetworkID: s.network}
		case best.NetworkID == "" && d.Code != access.NoResource:
			best = Answer{Decision: d, NetworkID: s.network}
		}
	}
	return best
}

// callerOf is a tunneler with its labels.
func callerOf(ctx context.Context, store ExplainStore, td spiffeid.TrustDomain, id string) (c access.Caller, enrolled bool, err error) {
	if c.ID, err = (identity.Workload{Kind: identity.KindTunneler, ID: id}).SPIFFEID(td); err != nil {
		return c, false, err
	}
	found, err := store.TunnelersByID(ctx, []string{id})
	if err != nil || len(found) == 0 {
		return c, false, err
	}
	c.Labels = found[0].About.Labels
	return c, found[0].Live(), nil
}

// networkSet is what connectors of a network decide by.
type networkSet struct {
	network string
	set     *access.Set
}

// setsOf compiles what decides about one tunneler with these labels in each network that has
// resources, or in one. Only its own grants are in a set: there may be 50,000 of others, and
// 500 networks.
func setsOf(ctx context.Context, store ExplainStore, td spiffeid.TrustDomain, q Question, labels access.Labels) ([]networkSet, error) {
	networks, err := store.Networks(ctx)
	if err != nil {
		return nil, err
	}
	resources, err := store.Resources(ctx)
	if err != nil {
		return nil, err
	}
	grants, err := store.Grants(ctx)
	if err != nil {
		return nil, err
	}
	grants = slices.DeleteFunc(grants, func(g Grant) bool { return !g.Subject.Is(q.TunnelerID, labels) })
	of := map[string][]Resource{}
	for _, r := range resources {
		of[r.NetworkID] = append(of[r.NetworkID], r)
	}
	var out []networkSet
	there := false
	for _, n := range networks {
		if q.NetworkID != "" && n.ID != q.NetworkID {
			continue
		}
		if there = true; len(of[n.ID]) == 0 {
			continue // nobody reaches anything there
		}
		s := access.NewSet(td)
		s.Declare(n.Prefixes)
		for _, r := range of[n.ID] {
			s.PutResource(r.Resource)
		}
		for _, g := range grants {
			s.PutGrant(g.Grant)
		}
		out = append(out, networkSet{n.ID, s})
	}
	if q.NetworkID != "" && !there {
		return nil, fleet.ErrNotFound
	}
	return out, nil
}
