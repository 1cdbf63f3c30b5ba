package policy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// rulebook is what policy tests are decided by: the tests, and the sets of all networks that
// have resources. Its grants have no hours, so that a test expects the same at night. Each
// edit costs what the one entry is.
type rulebook struct {
	td      spiffeid.TrustDomain
	someone string // see someoneWith

	tests     map[string]Test
	labels    map[string]access.Labels // of the tunnelers that tests name
	resources map[string]access.Resource
	grants    map[string]access.Grant
	networks  map[string]fleet.Network
	sets      []networkSet // by network
}

func newRulebook(td spiffeid.TrustDomain) *rulebook {
	return &rulebook{
		td: td, someone: someoneWith(), tests: map[string]Test{}, labels: map[string]access.Labels{}, resources: map[string]access.Resource{},
		grants: map[string]access.Grant{}, networks: map[string]fleet.Network{},
	}
}

// result decides a test.
func (b *rulebook) result(t Test, now time.Time) TestResult {
	id, labels := b.someone, access.Labels(nil)
	if l, ok := t.Subject.Label(); ok {
		labels = access.Labels{l.Key: l.Value}
	} else {
		id, _ = t.Subject.Tunneler()
		labels = b.labels[id]
	}
	caller := access.Caller{Labels: labels}
	var err error
	if caller.ID, err = (identity.Workload{Kind: identity.KindTunneler, ID: id}).SPIFFEID(b.td); err != nil {
		return TestResult{t, Answer{Decision: access.Decision{Code: access.NoCaller}}} // no id that Parse takes
	}
	return TestResult{t, decideIn(b.sets, caller, Question{Target: t.Target, NetworkID: t.NetworkID}, now)}
}

// takeAll takes rows as they are now, in the order of those.
func (b *rulebook) takeAll(ctx context.Context, from rows, changes []changelog.Change) error {
	for _, c := range changes {
		if err := b.take(ctx, from, c); err != nil {
			return fmt.Errorf("%s %s: %w", c.Kind, c.ID, err)
		}
	}
	return nil
}

func (b *rulebook) take(ctx context.Context, from rows, c changelog.Change) error {
	switch c.Kind { //nolint:exhaustive // those that matter
	case changelog.Network:
		n, err := from.Network(ctx, c.ID)
		return taken(err, func(there bool) { b.putNetwork(c.ID, n, there) })
	case changelog.Resource:
		r, err := from.Resource(ctx, c.ID)
		return taken(err, func(there bool) { b.putResource(c.ID, r, there) })
	case changelog.Grant:
		g, err := from.Grant(ctx, c.ID)
		return taken(err, func(there bool) { b.putGrant(c.ID, g, there) })
	case changelog.PolicyTest:
		t, err := from.PolicyTest(ctx, c.ID)
		if errors.Is(err, fleet.ErrNotFound) {
			delete(b.tests, c.ID)
			return nil
		}
		if err != nil {
			return err
		}
		return b.putTests(ctx, from, []Test{t})
	case changelog.Tunneler:
		if _, named := b.labels[c.ID]; !named {
			return nil
		}
		labels, err := from.labels(ctx, c.ID)
		b.labels[c.ID] = labels
		return err
	}
	return nil
}

func taken(err error, put func(there bool)) error {
	if err == nil || errors.Is(err, fleet.ErrNotFound) {
		put(err == nil)
		return nil
	}
	return err
}

func (b *rulebook) putTests(ctx context.Context, from rows, tests []Test) error {
	for _, t := range tests {
		b.tests[t.ID] = t
		id, ok := t.Subject.Tunneler()
		if !ok {
			continue
		}
		labels, err := from.labels(ctx, id)
		if err != nil {
			return err
		}
		b.labels[id] = labels
	}
	return nil
}

func (b *rulebook) putNetwork(id string, n fleet.Network, there bool) {
	if !there {
		delete(b.networks, id)
		b.sets = slices.DeleteFunc(b.sets, func(s networkSet) bool { return s.network == id })
		return
	}
	b.networks[id] = n
	if s := b.setOf(id); s != nil {
		s.Declare(n.Prefixes)
	}
}

func (b *rulebook) setOf(network string) *access.Set {
	if i, ok := slices.BinarySearchFunc(b.sets, network, byNetwork); ok {
		return b.sets[i].set
	}
	return nil
}

func byNetwork(s networkSet, network string) int {
	switch {
	case s.network < network:
		return -1
	case s.network > network:
		return 1
	}
	return 0
}

// newSet is that of a network which gets its first resource.
func (b *rulebook) newSet(network string) *access.Set {
	s := access.NewSet(b.td)
	s.Declare(b.networks[network].Prefixes)
	for _, g := range b.grants {
		if _, label := g.Object.Label(); label {
			s.PutGrant(g)
		}
	}
	at, _ := slices.BinarySearchFunc(b.sets, network, byNetwork)
	b.sets = slices.Insert(b.sets, at, networkSet{network, s})
	return s
}

func (b *rulebook) putResource(id string, r Resource, there bool) {
	if old, ok := b.resources[id]; ok {
		if s := b.setOf(old.NetworkID); s != nil {
			s.RemoveResource(id)
		}
		delete(b.resources, id)
	}
	if !there {
		return
	}
	b.resources[id] = r.Resource
	s := b.setOf(r.NetworkID)
	if s == nil {
		s = b.newSet(r.NetworkID)
	}
	s.PutResource(r.Resource)
}

// putGrant puts a grant of a label into all sets, and one of a resource into that of the
// network of the resource, which was taken before.
func (b *rulebook) putGrant(id string, g Grant, there bool) {
	if _, ok := b.grants[id]; ok {
		for _, s := range b.sets { // its resource may be gone already
			s.set.RemoveGrant(id)
		}
		delete(b.grants, id)
	}
	if !there {
		return
	}
	always := g.Grant
	always.Schedule = access.Schedule{}
	b.grants[id] = always
	for _, s := range b.setsFor(always) {
		s.PutGrant(always)
	}
}

func (b *rulebook) setsFor(g access.Grant) (out []*access.Set) {
	network := ""
	if id, ok := g.Object.Resource(); ok {
		r, there := b.resources[id]
		if !there {
			return nil
		}
		network = r.NetworkID
	}
	for _, s := range b.sets {
		if network == "" || s.network == network {
			out = append(out, s.set)
		}
	}
	return out
}
