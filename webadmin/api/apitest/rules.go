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
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// newRules are real Rules that keep what they have in memory.
func newRules(now func() time.Time, members *Fleet) *policy.Rules {
	store := &rulesMemory{members: members, ruleRows: ruleRows{map[string]policy.Resource{}, map[string]policy.Grant{}, map[string]policy.Test{}}}
	return policy.NewRules(policy.RulesConfig{Store: store, TrustDomain: spiffeid.RequireTrustDomainFromString("mycorp.internal"), Audit: audit.New(zap.NewNop(), now), Now: now})
}

// rulesMemory implements policy.RulesStore; its transactions come one at a time.
type rulesMemory struct {
	members *Fleet
	guard   func(ctx context.Context, tx policy.CheckTx) error
	writing sync.Mutex

	mu sync.Mutex
	ruleRows
	log []changelog.Change
}

// ruleRows are what is kept, by id.
type ruleRows struct {
	resources map[string]policy.Resource
	grants    map[string]policy.Grant
	tests     map[string]policy.Test
}

// rulesTx implements policy.RulesTx and policy.CheckTx on rows of its own.
type rulesTx struct {
	ruleRows

	members *Fleet
	pending []changelog.Change
}

// Guard implements policy.RulesStore.
func (m *rulesMemory) Guard(check func(ctx context.Context, tx policy.CheckTx) error) {
	m.guard = check
}

// ChangePosition implements policy.CheckStore.
func (m *rulesMemory) ChangePosition(context.Context) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.log)), nil
}

// Changes implements policy.CheckStore.
func (m *rulesMemory) Changes(_ context.Context, after uint64, limit int) ([]changelog.Change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	left := m.log[after:]
	return slices.Clone(left[:min(limit, len(left))]), nil
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

// NetworkByID implements policy.CheckStore.
func (m *rulesMemory) NetworkByID(ctx context.Context, id string) (fleet.Network, error) {
	return m.members.Network(ctx, id)
}

// RulesTx implements policy.RulesStore.
func (m *rulesMemory) RulesTx(ctx context.Context, fn func(policy.RulesTx) error) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.mu.Lock()
	tx := &rulesTx{members: m.members, ruleRows: ruleRows{maps.Clone(m.resources), maps.Clone(m.grants), maps.Clone(m.tests)}}
	m.mu.Unlock()
	if err := fn(tx); err != nil {
		return err
	}
	if err := m.guard(ctx, tx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ruleRows = tx.ruleRows
	for _, c := range tx.pending {
		c.Seq = uint64(len(m.log)) + 1
		m.log = append(m.log, c)
	}
	return nil
}

func (m *rulesTx) changed(kind changelog.Kind, id string, op changelog.Op) {
	m.pending = append(m.pending, changelog.Change{Kind: kind, ID: id, Op: op})
}

// Pending implements policy.CheckTx.
func (m *rulesTx) Pending() []changelog.Change { return m.pending }

// Member implements policy.CheckTx.
func (m *rulesTx) Member(ctx context.Context, w identity.Workload) (fleet.Member, error) {
	t, err := m.members.Tunneler(ctx, w.ID)
	return t.Member, err
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

// CountNetworks implements policy.DocumentTx.
func (m *rulesTx) CountNetworks(ctx context.Context) (int, error) {
	all, err := m.members.Networks(ctx)
	return len(all), err
}

// InsertNetwork implements policy.DocumentTx.
func (m *rulesTx) InsertNetwork(ctx context.Context, n fleet.Network) error {
	_, err := m.members.CreateNetwork(ctx, fleet.NetworkText{ID: n.ID, Name: n.Name, Prefixes: access.PrefixTexts(n.Prefixes)}, fleet.By{})
	return err
}

// UpdateNetwork implements policy.DocumentTx.
func (m *rulesTx) UpdateNetwork(ctx context.Context, n fleet.Network) error {
	prefixes := access.PrefixTexts(n.Prefixes)
	_, err := m.members.EditNetwork(ctx, n.ID, fleet.NetworkEdit{Name: &n.Name, Prefixes: &prefixes}, fleet.By{})
	return err
}

// ResourcesLabelled implements policy.DocumentTx.
func (m *rulesTx) ResourcesLabelled(_ context.Context, l access.Label) (out []policy.Resource, err error) {
	for _, id := range slices.Sorted(maps.Keys(m.resources)) {
		if r := m.resources[id]; r.Labels.Has([]access.Label{l}) {
			out = append(out, r)
		}
	}
	return out, nil
}

// GrantsTo implements policy.DocumentTx.
func (m *rulesTx) GrantsTo(_ context.Context, o access.Object) (out []policy.Grant, err error) {
	for _, id := range slices.Sorted(maps.Keys(m.grants)) {
		if g := m.grants[id]; g.Object == o {
			out = append(out, g)
		}
	}
	return out, nil
}

// AppendAudit implements audit.Store.
func (m *rulesTx) AppendAudit(context.Context, audit.Event) error { return nil }

// Network implements policy.RulesTx.
func (m *rulesTx) Network(ctx context.Context, id string) (fleet.Network, error) {
	return m.members.Network(ctx, id)
}

// BumpPolicy implements policy.RulesTx.
func (m *rulesTx) BumpPolicy(context.Context) error { return nil }

// Resource implements policy.ResourcesTx.
func (m *rulesTx) Resource(_ context.Context, id string) (policy.Resource, error) {
	return found(m.resources, id)
}

// CountResources implements policy.ResourcesTx.
func (m *rulesTx) CountResources(context.Context) (int, error) { return len(m.resources), nil }

// ResourceWithAlias implements policy.ResourcesTx.
func (m *rulesTx) ResourceWithAlias(_ context.Context, alias string) (string, error) {
	for id, r := range m.resources {
		if r.Alias == alias {
			return id, nil
		}
	}
	return "", nil
}

// InsertResource implements policy.ResourcesTx.
func (m *rulesTx) InsertResource(_ context.Context, r policy.Resource) error {
	m.resources[r.ID] = r
	m.changed(changelog.Resource, r.ID, changelog.Changed)
	return nil
}

// UpdateResource implements policy.ResourcesTx.
func (m *rulesTx) UpdateResource(ctx context.Context, r policy.Resource) error {
	return m.InsertResource(ctx, r)
}

// DeleteResource implements policy.ResourcesTx.
func (m *rulesTx) DeleteResource(_ context.Context, id string) error {
	delete(m.resources, id)
	m.changed(changelog.Resource, id, changelog.Deleted)
	return nil
}

// Grant implements policy.GrantsTx.
func (m *rulesTx) Grant(_ context.Context, id string) (policy.Grant, error) {
	return found(m.grants, id)
}

// CountGrants implements policy.GrantsTx.
func (m *rulesTx) CountGrants(context.Context) (int, error) { return len(m.grants), nil }

// GrantsOf implements policy.GrantsTx.
func (m *rulesTx) GrantsOf(_ context.Context, object access.Object, limit int) (first []string, total int, err error) {
	for id, g := range m.grants {
		if g.Object == object {
			first = append(first, id)
		}
	}
	slices.Sort(first)
	return first[:min(limit, len(first))], len(first), nil
}

// InsertGrant implements policy.GrantsTx.
func (m *rulesTx) InsertGrant(_ context.Context, g policy.Grant) error {
	m.grants[g.ID] = g
	m.changed(changelog.Grant, g.ID, changelog.Changed)
	return nil
}

// UpdateGrant implements policy.GrantsTx.
func (m *rulesTx) UpdateGrant(ctx context.Context, g policy.Grant) error {
	return m.InsertGrant(ctx, g)
}

// DeleteGrant implements policy.GrantsTx.
func (m *rulesTx) DeleteGrant(_ context.Context, id string) error {
	delete(m.grants, id)
	m.changed(changelog.Grant, id, changelog.Deleted)
	return nil
}

// PolicyTestByID implements policy.TestsStore.
func (m *rulesMemory) PolicyTestByID(_ context.Context, id string) (policy.Test, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return found(m.tests, id)
}

// PolicyTests implements policy.TestsStore.
func (m *rulesMemory) PolicyTests(context.Context) ([]policy.Test, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.tests)), nil
}

// PolicyTestPage implements policy.TestsStore.
func (m *rulesMemory) PolicyTestPage(_ context.Context, q policy.TestQuery) (fleet.Page[policy.Test], error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return pageOf(m.tests, q.Query, func(p policy.Test) (string, bool) {
		t := p.Text()
		key := map[fleet.Sort]string{fleet.ByID: t.ID, policy.BySubject: t.Subject, policy.ByTarget: t.Target}[q.Sort]
		return key, (q.Subject == "" || q.Subject == t.Subject) && strings.Contains(strings.ToLower(t.ID+" "+t.Subject+" "+t.Target+" "+t.Note), strings.ToLower(q.Search))
	}), nil
}

// PolicyTest implements policy.TestsTx.
func (m *rulesTx) PolicyTest(_ context.Context, id string) (policy.Test, error) {
	return found(m.tests, id)
}

// CountPolicyTests implements policy.TestsTx.
func (m *rulesTx) CountPolicyTests(context.Context) (int, error) { return len(m.tests), nil }

// InsertPolicyTest implements policy.TestsTx.
func (m *rulesTx) InsertPolicyTest(_ context.Context, t policy.Test) error {
	m.tests[t.ID] = t
	m.changed(changelog.PolicyTest, t.ID, changelog.Changed)
	return nil
}

// UpdatePolicyTest implements policy.TestsTx.
func (m *rulesTx) UpdatePolicyTest(ctx context.Context, t policy.Test) error {
	return m.InsertPolicyTest(ctx, t)
}

// DeletePolicyTest implements policy.TestsTx.
func (m *rulesTx) DeletePolicyTest(_ context.Context, id string) error {
	delete(m.tests, id)
	m.changed(changelog.PolicyTest, id, changelog.Deleted)
	return nil
}
