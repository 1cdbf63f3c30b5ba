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
	// Carries says whether a connector of a network is there to carry a flow; nil is in any.
	Carries func(network string) bool
}

// Answer is what a connector of a network would decide.
type Answer struct {
	access.Decision

	NetworkID string // of the decision; empty if no network has a resource that covers the target
	// Enrolled says whether the tunneler is there and not revoked: nobody else has a session.
	Enrolled bool
	// Known says whether the tunneler ever was there, or a grant names it already.
	Known bool
	// Meant is the target that was decided: that of the question, or what its host is an alias of.
	Meant access.Target
}

// ExplainStore is what Explain reads; store.Store is it.
type ExplainStore interface {
	Resources(ctx context.Context) ([]Resource, error)
	Grants(ctx context.Context) ([]Grant, error)
	Networks(ctx context.Context) ([]fleet.Network, error)
	TunnelersByID(ctx context.Context, ids []string) ([]fleet.Tunneler, error)
}

// Explain decides by the function that connectors ask, with all that is in the store now. Of
// several networks the answer is that of one that allows it, if possible one that carries
// flows; and of those the one whose resource covers the target most specifically. A host that
// is an alias stands for that of its resource, as at a tunneler: unless it is reached itself.
// Errors: fleet.ErrNotFound for a network.
func (r *Rules) Explain(ctx context.Context, q Question) (Answer, error) {
	store, td, now := r.cfg.Store, r.cfg.TrustDomain, r.cfg.Now()
	caller, known, enrolled, err := callerOf(ctx, store, td, q.TunnelerID)
	if err != nil {
		return Answer{}, err
	}
	all, err := rulesAbout(ctx, store, td, q, caller.Labels)
	if err != nil {
		return Answer{}, err
	}
	out := decideIn(all.sets, caller, q, now)
	if target, ok := all.aliases[q.Target.Host]; ok && !out.Allowed {
		meant := q
		meant.Target.Host = target
		if as := decideIn(all.sets, caller, meant, now); as.Allowed || out.Code == access.NoResource {
			out, q = as, meant
		}
	}
	out.Enrolled, out.Known, out.Meant = enrolled, known || all.named, q.Target
	return out, nil
}

// decideIn decides in each network that a question is about.
func decideIn(sets []networkSet, caller access.Caller, q Question, now time.Time) Answer {
	best, place := Answer{Decision: access.Decision{Code: access.NoResource}}, preference{}
	for _, s := range sets {
		if q.NetworkID != "" && q.NetworkID != s.network {
			continue
		}
		d := s.set.Decide(caller, q.Target, now)
		if q.Address.IsValid() {
			d = s.set.DecideAddress(caller, d, netip.AddrPortFrom(q.Address, q.Target.Port), now)
		}
		if d.Code == access.NoResource {
			continue
		}
		is := preference{d.Allowed, q.Carries == nil || q.Carries(s.network), s.set.Closeness(q.Target)}
		if best.NetworkID == "" || is.over(place) {
			best, place = Answer{Decision: d, NetworkID: s.network}, is
		}
	}
	return best
}

// preference of one network over another as the one to speak of.
type preference struct {
	allowed, carries bool
	closeness        int
}

func (p preference) over(o preference) bool {
	switch {
	case p.allowed != o.allowed:
		return p.allowed
	case p.allowed && p.carries != o.carries:
		return p.carries
	}
	return p.closeness > o.closeness
}

// callerOf is a tunneler with its labels.
func callerOf(ctx context.Context, store ExplainStore, td spiffeid.TrustDomain, id string) (c access.Caller, known, enrolled bool, err error) {
	if c.ID, err = (identity.Workload{Kind: identity.KindTunneler, ID: id}).SPIFFEID(td); err != nil {
		return c, false, false, err
	}
	found, err := store.TunnelersByID(ctx, []string{id})
	if err != nil || len(found) == 0 {
		return c, false, false, err
	}
	c.Labels = found[0].About.Labels
	return c, true, found[0].Live(), nil
}

// networkSet is what connectors of a network decide by.
type networkSet struct {
	network string
	set     *access.Set
}

// about is what decides about one tunneler.
type about struct {
	sets    []networkSet
	aliases map[string]string // the hosts of resources that have one
	named   bool              // a grant names the tunneler by its id
}

// rulesAbout compiles what decides about one tunneler with these labels in each network that has
// resources, or in one. Only its own grants are in a set: there may be 50,000 of others, and
// 500 networks.
func rulesAbout(ctx context.Context, store ExplainStore, td spiffeid.TrustDomain, q Question, labels access.Labels) (out about, err error) {
	networks, err := store.Networks(ctx)
	if err != nil {
		return out, err
	}
	resources, err := store.Resources(ctx)
	if err != nil {
		return out, err
	}
	grants, err := store.Grants(ctx)
	if err != nil {
		return out, err
	}
	grants = slices.DeleteFunc(grants, func(g Grant) bool { return !g.Subject.Is(q.TunnelerID, labels) })
	out.named = slices.ContainsFunc(grants, func(g Grant) bool {
		_, ok := g.Subject.Tunneler()
		return ok
	})
	of := map[string][]Resource{}
	out.aliases = map[string]string{}
	for _, r := range resources {
		of[r.NetworkID] = append(of[r.NetworkID], r)
		if r.Alias != "" && len(r.Hosts) == 1 && (q.NetworkID == "" || q.NetworkID == r.NetworkID) {
			out.aliases[r.Alias] = r.Hosts[0].String()
		}
	}
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
		out.sets = append(out.sets, networkSet{n.ID, s})
	}
	if q.NetworkID != "" && !there {
		return out, fleet.ErrNotFound
	}
	return out, nil
}
