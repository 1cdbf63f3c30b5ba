package policy

import (
	"maps"
	"slices"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// maxTouchedRules of one transaction are held against each test; of more, all tests are decided.
const maxTouchedRules = 100

// touched is what changes are about, as it was and as it will be, to know which policy tests
// may be decided otherwise by them: all others need not be decided.
type touched struct {
	all       bool
	tests     map[string]bool
	tunnelers map[string]bool
	networks  map[string]bool // whose prefixes changed: they count for addresses
	grants    []access.Grant
	resources []access.Resource
}

// add takes what a rulebook has of changed rows. Call it before and after the rulebook takes them.
func (t *touched) add(b *rulebook, changes []changelog.Change) {
	if t.tests == nil {
		t.tests, t.tunnelers, t.networks = map[string]bool{}, map[string]bool{}, map[string]bool{}
	}
	for _, c := range changes {
		switch c.Kind { //nolint:exhaustive // those that are decisive
		case changelog.PolicyTest:
			t.tests[c.ID] = true
		case changelog.Tunneler:
			t.tunnelers[c.ID] = true
		case changelog.Grant:
			if g, ok := b.grants[c.ID]; ok {
				t.grants = append(t.grants, g)
			}
		case changelog.Resource:
			if r, ok := b.resources[c.ID]; ok {
				t.resources = append(t.resources, r)
			}
		case changelog.Network:
			t.networks[c.ID] = true
		}
	}
	t.all = t.all || len(t.grants)+len(t.resources) > maxTouchedRules
}

// concerns says whether a test may be decided otherwise, and in which networks; nil is any. A
// grant matters to those whom it is for, and to targets of the resource that it names; a resource
// to the targets that it covers; and prefixes of a network to addresses.
func (t *touched) concerns(b *rulebook, test Test) (networks []string, concerned bool) {
	id, labels := b.caller(test)
	if t.all || t.tests[test.ID] || t.tunnelers[id] {
		return nil, true
	}
	if host, err := access.ParseHost(test.Target.Host); err == nil && len(t.networks) > 0 {
		if _, address := host.Addr(); address {
			networks = slices.Collect(maps.Keys(t.networks))
		}
	}
	for _, r := range t.resources {
		if r.Covers(test.Target) {
			networks = append(networks, r.NetworkID)
		}
	}
	for _, g := range t.grants {
		if !g.Subject.Is(id, labels) {
			continue
		}
		resource, one := g.Object.Resource()
		if !one {
			return nil, true
		}
		if r := b.resources[resource]; r.Covers(test.Target) {
			networks = append(networks, r.NetworkID)
		}
	}
	return networks, len(networks) > 0
}
