package apitest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// newRules are real Rules that keep what they have in memory.
func newRules(now func() time.Time, members *Fleet) *policy.Rules {
	store := &rulesMemory{members: members, resources: map[string]policy.Resource{}, grants: map[string]policy.Grant{}}
	return policy.NewRules(policy.RulesConfig{Store: store, TrustDomain: spiffeid.RequireTrustDomainFromString("mycorp.internal"), Audit: audit.New(zap.NewNop(), now), Now: now})
}

// rulesMemory implements policy.RulesStore and its transactions, one at a time.
type rulesMemory struct {
	members *Fleet

	mu        sync.Mutex
	resources map[string]policy.Resource
	grants    map[string]policy.Grant
}

// Networks implements policy.ExplainStore.
func (m *rulesMemory) Networks(ctx context.Context) ([]fleet.Network, error) {
	return m.members.Networks(ctx)
}

// TunnelersByID implements policy.ExplainStore.
func (m *rulesMemory) TunnelersByID(ctx context.Context, ids []string) (out []fleet.Tunneler, err error) {
	for _, id := range ids {
		if t, err := m.members.Tunneler(ctx, id); err == nil {
			out = append(out, t)
		}
	}
	return out, nil
}

// Resources implements policy.ExplainStore.
func (m *rulesMemory) Resources(context.Context) ([]policy.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.resources)), nil
}

// Grants implements policy.ExplainStore.
func (m *rulesMemory) Grants(context.Context) ([]policy.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.grants)), nil
}

// RulesTx implements policy.RulesStore. What fails has changed nothing: the domain checks first.
func (m *rulesMemory) RulesTx(_ context.Context, fn func(policy.RulesTx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fn(m)
}

func found[T any](all map[string]T, id string) (T, error) {
	it, ok := all[id]
	if !ok {
		return it, fleet.ErrNotFound
	}
	return it, nil
}

// ResourceByID implements policy.RulesStore.
func (m *rulesMemory) ResourceByID(_ context.Context, id string) (policy.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return found(m.resources, id)
}

// GrantByID implements policy.RulesStore.
func (m *rulesMemory) GrantByID(_ context.Context, id string) (policy.Grant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return found(m.grants, id)
}

// ResourcePage implements policy.RulesStore.
func (m *rulesMemory) ResourcePage(_ context.Context, q policy.ResourceQuery) (fleet.Page[policy.Resource], error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pageOf(m.resources, q.Query, func(r policy.Resource) (string, bool) {
		t := r.Text()
		key := map[fleet.Sort]string{fleet.ByID: r.ID, policy.ByName: r.Name}[q.Sort]
		return key, (q.NetworkID == "" || q.NetworkID == r.NetworkID) && r.Labels.Has(q.Labels) && strings.Contains(strings.ToLower(t.ID+" "+t.Name+" "+strings.Join(t.Hosts, " ")), strings.ToLower(q.Search))
	}), nil
}

// GrantPage implements policy.RulesStore.
func (m *rulesMemory) GrantPage(_ context.Context, q policy.GrantQuery) (fleet.Page[policy.Grant], error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pageOf(m.grants, q.Query, func(g policy.Grant) (string, bool) {
		t := g.Text()
		key := map[fleet.Sort]string{fleet.ByID: t.ID, policy.BySubject: t.Subject, policy.ByObject: t.Object, policy.ByUntil: fleet.TimeKey(t.Until)}[q.Sort]
		return key, (q.Subject == "" || q.Subject == t.Subject) && (q.Object == "" || q.Object == t.Object) && strings.Contains(strings.ToLower(t.ID+" "+t.Subject+" "+t.Object), strings.ToLower(q.Search))
	}), nil
}

// pageOf goes through everything.
func pageOf[T any](all map[string]T, q fleet.Query, look func(T) (key string, matches bool)) (out fleet.Page[T]) {
	var places []fleet.Place
	for id, it := range all {
		if key, ok := look(it); ok {
			places = append(places, fleet.Place{Key: key, ID: id})
		}
	}
	compare := func(a, b fleet.Place) int { return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.ID, b.ID)) }
	slices.SortFunc(places, compare)
	if q.Descending {
		slices.Reverse(places)
	}
	out.Total = len(places)
	for _, p := range places {
		if order := compare(p, q.After); q.After != (fleet.Place{}) && (order == 0 || order > 0 == q.Descending) {
			continue
		}
		if len(out.Items) == q.Limit {
			break
		}
		out.Items, out.Next = append(out.Items, all[p.ID]), p
	}
	if len(places) == 0 || len(out.Items) == 0 || out.Next == places[len(places)-1] {
		out.Next = fleet.Place{}
	}
	return out
}

// AppendAudit implements audit.Store.
func (m *rulesMemory) AppendAudit(context.Context, audit.Event) error { return nil }

// Network implements policy.RulesTx.
func (m *rulesMemory) Network(ctx context.Context, id string) (fleet.Network, error) {
	return m.members.Network(ctx, id)
}

// BumpPolicy implements policy.RulesTx.
func (m *rulesMemory) BumpPolicy(context.Context) error { return nil }

// Resource implements policy.ResourcesTx.
func (m *rulesMemory) Resource(_ context.Context, id string) (policy.Resource, error) {
	return found(m.resources, id)
}

// CountResources implements policy.ResourcesTx.
func (m *rulesMemory) CountResources(context.Context) (int, error) { return len(m.resources), nil }

// ResourceWithAlias implements policy.ResourcesTx.
func (m *rulesMemory) ResourceWithAlias(_ context.Context, alias string) (string, error) {
	for id, r := range m.resources {
		if r.Alias == alias {
			return id, nil
		}
	}
	return "", nil
}

// InsertResource implements policy.ResourcesTx.
func (m *rulesMemory) InsertResource(_ context.Context, r policy.Resource) error {
	m.resources[r.ID] = r
	return nil
}

// UpdateResource implements policy.ResourcesTx.
func (m *rulesMemory) UpdateResource(ctx context.Context, r policy.Resource) error {
	return m.InsertResource(ctx, r)
}

// DeleteResource implements policy.ResourcesTx.
func (m *rulesMemory) DeleteResource(_ context.Context, id string) error {
	delete(m.resources, id)
	return nil
}

// Grant implements policy.GrantsTx.
func (m *rulesMemory) Grant(_ context.Context, id string) (policy.Grant, error) {
	return found(m.grants, id)
}

// CountGrants implements policy.GrantsTx.
func (m *rulesMemory) CountGrants(context.Context) (int, error) { return len(m.grants), nil }

// GrantsOf implements policy.GrantsTx.
func (m *rulesMemory) GrantsOf(_ context.Context, object access.Object, limit int) (first []string, total int, err error) {
	for id, g := range m.grants {
		if g.Object == object {
			first = append(first, id)
		}
	}
	slices.Sort(first)
	return first[:min(limit, len(first))], len(first), nil
}

// InsertGrant implements policy.GrantsTx.
func (m *rulesMemory) InsertGrant(_ context.Context, g policy.Grant) error {
	m.grants[g.ID] = g
	return nil
}

// UpdateGrant implements policy.GrantsTx.
func (m *rulesMemory) UpdateGrant(ctx context.Context, g policy.Grant) error {
	return m.InsertGrant(ctx, g)
}

// DeleteGrant implements policy.GrantsTx.
func (m *rulesMemory) DeleteGrant(_ context.Context, id string) error {
	delete(m.grants, id)
	return nil
}
