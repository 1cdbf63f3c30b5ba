package policy

import (
	"context"
	"net/netip"
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
	sets, err := setsOf(ctx, store, td, q.NetworkID)
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

// setsOf compiles the sets of all networks, or of one, by id.
func setsOf(ctx context.Context, store ExplainStore, td spiffeid.TrustDomain, only string) ([]networkSet, error) {
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
	sets, out := map[string]*access.Set{}, []networkSet(nil)
	for _, n := range networks {
		if only != "" && n.ID != only {
			continue
		}
		s := access.NewSet(td)
		s.Declare(n.Prefixes)
		for _, g := range grants {
			s.PutGrant(g.Grant)
		}
		sets[n.ID], out = s, append(out, networkSet{n.ID, s})
	}
	if only != "" && len(out) == 0 {
		return nil, fleet.ErrNotFound
	}
	for _, r := range resources {
		if s, ok := sets[r.NetworkID]; ok {
			s.PutResource(r.Resource)
		}
	}
	return out, nil
}
