package reach

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Resource is one that this tunneler may reach.
type Resource struct {
	access.Resource

	// Until is when that ends unless the controller says more; zero for never.
	Until time.Time
}

// List is what a controller listed. It never changes.
type List struct {
	caller    access.Caller
	resources []Resource // by id
	more      int
	networks  []network // by id
	aliases   map[string]access.Pattern
}

// network is what may be reached in one network, indexed as connectors do it.
type network struct {
	id  string
	set *access.Set
}

// here is a trust domain that only a List has: whoever asks is this tunneler.
var here = spiffeid.RequireTrustDomainFromString("this.host")

// newList makes a List for the tunneler with this id.
func newList(tunneler string, resources []Resource, more int) *List {
	self, _ := identity.Workload{Kind: identity.KindTunneler, ID: tunneler}.SPIFFEID(here) // without one nothing is known
	l := &List{caller: access.Caller{ID: self}, more: more, aliases: map[string]access.Pattern{}}
	l.resources = slices.SortedFunc(slices.Values(resources), func(a, b Resource) int { return strings.Compare(a.ID, b.ID) })
	sets := map[string]*access.Set{}
	for _, r := range l.resources {
		set := sets[r.NetworkID]
		if set == nil {
			set = access.NewSet(here)
			sets[r.NetworkID] = set
		}
		set.PutResource(r.Resource)
		set.PutGrant(access.Grant{ID: r.ID, Subject: access.TunnelerSubject(tunneler), Object: access.ResourceObject(r.ID), Until: r.Until})
		if r.Alias != "" && len(r.Hosts) == 1 {
			l.aliases[r.Alias] = r.Hosts[0]
		}
	}
	for _, id := range slices.Sorted(maps.Keys(sets)) {
		l.networks = append(l.networks, network{id, sets[id]})
	}
	return l
}

// Resources are those that are reachable at an instant, by id. more is how many others there
// are that the controller did not list.
func (l *List) Resources(now time.Time) (out []Resource, more int) {
	for _, r := range l.resources {
		if r.Until.IsZero() || now.Before(r.Until) {
			out = append(out, r)
		}
	}
	return out, l.more
}

// Networks are those in which a target may be reached, by id; none if nothing is known.
func (l *List) Networks(t flow.Target, now time.Time) (out []string) {
	for _, n := range l.networks {
		if n.set.Decide(l.caller, access.Target{Host: t.Host, Port: t.Port}, now).Allowed {
			out = append(out, n.id)
		}
	}
	return out
}

// Target is what a host stands for: itself, or the host of a resource that has it as its
// alias. A target that is reachable is itself.
func (l *List) Target(t flow.Target, now time.Time) flow.Target {
	host, ok := l.aliases[t.Host]
	if !ok || len(l.Networks(t, now)) > 0 {
		return t
	}
	to, err := flow.NewTarget(host.String(), t.Port)
	if err != nil {
		return t
	}
	return to
}
