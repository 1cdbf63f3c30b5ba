package changelogtest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
)

// Rules is the part of a policy.Store that rules come from, in memory. Its zero value has none and
// is ready; it is safe for concurrent use.
type Rules struct {
	mu        sync.Mutex
	networks  map[string]fleet.Network
	resources map[string]policy.Resource
	grants    map[string]policy.Grant
}

// PutNetwork adds or replaces a network.
func (r *Rules) PutNetwork(n fleet.Network) { put(r, &r.networks, n.ID, &n) }

// PutResource adds or replaces a resource.
func (r *Rules) PutResource(res policy.Resource) { put(r, &r.resources, res.ID, &res) }

// PutGrant adds or replaces a grant.
func (r *Rules) PutGrant(g policy.Grant) { put(r, &r.grants, g.ID, &g) }

// DeleteNetwork removes a network.
func (r *Rules) DeleteNetwork(id string) { put(r, &r.networks, id, nil) }

// DeleteResource removes a resource.
func (r *Rules) DeleteResource(id string) { put(r, &r.resources, id, nil) }

// DeleteGrant removes a grant.
func (r *Rules) DeleteGrant(id string) { put(r, &r.grants, id, nil) }

func put[T any](r *Rules, rows *map[string]T, id string, row *T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if row == nil {
		delete(*rows, id)
		return
	}
	if *rows == nil {
		*rows = map[string]T{}
	}
	(*rows)[id] = *row
}

// Networks implements policy.Store.
func (r *Rules) Networks(context.Context) ([]fleet.Network, error) {
	return rows(r, &r.networks, nil, func(n fleet.Network) string { return n.ID })
}

// Resources implements policy.Store.
func (r *Rules) Resources(context.Context) ([]policy.Resource, error) {
	return rows(r, &r.resources, nil, resourceID)
}

// Grants implements policy.Store.
func (r *Rules) Grants(context.Context) ([]policy.Grant, error) {
	return rows(r, &r.grants, nil, grantID)
}

// ResourcesByID implements policy.Store.
func (r *Rules) ResourcesByID(_ context.Context, ids []string) ([]policy.Resource, error) {
	return rows(r, &r.resources, ids, resourceID)
}

// GrantsByID implements policy.Store.
func (r *Rules) GrantsByID(_ context.Context, ids []string) ([]policy.Grant, error) {
	return rows(r, &r.grants, ids, grantID)
}

func resourceID(res policy.Resource) string { return res.ID }

func grantID(g policy.Grant) string { return g.ID }

// rows are those of these ids, or all for nil.
func rows[T any](r *Rules, of *map[string]T, ids []string, id func(T) string) ([]T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Collect(maps.Values(*of))
	if ids != nil {
		all = slices.DeleteFunc(all, func(row T) bool { return !slices.Contains(ids, id(row)) })
	}
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	return all, nil
}
