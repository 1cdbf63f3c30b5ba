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

	// places are the networks with a resource that covers a target of a test, by id; those of
	// the stale networks are not known since their resources changed.
	places map[access.Target][]string
	stale  map[string]struct{}
	// allowed is the network that allowed a test which expects to reach, when it was decided last.
	allowed map[string]string
}

func newRulebook(td spiffeid.TrustDomain) *rulebook {
	return &rulebook{
		td: td, someone: someoneWith(), tests: map[string]Test{}, labels: map[string]access.Labels{}, resources: map[string]access.Resource{},
		grants: map[string]access.Grant{}, networks: map[string]fleet.Network{},
		places: map[access.Target][]string{}, stale: map[string]struct{}{}, allowed: map[string]string{},
	}
}

// caller is who asks in a test.
func (b *rulebook) caller(t Test) (id string, labels access.Labels) {
	if l, ok := t.Subject.Label(); ok {
		return b.someone, access.Labels{l.Key: l.Value}
	}
	id, _ = t.Subject.Tunneler()
	return id, b.labels[id]
}

// covering are the sets that have a resource which covers the target of a test: no other
// network has a say, and there may be hundreds.
func (b *rulebook) covering(t access.Target) (out []networkSet) {
	for network := range b.stale {
		set := b.setOf(network)
		for target, places := range b.places {
			at, there := slices.BinarySearch(places, network)
			switch covers := set != nil && set.Closeness(target) > 0; {
			case covers && !there:
				b.places[target] = slices.Insert(places, at, network)
			case !covers && there:
				b.places[target] = slices.Delete(places, at, at+1)
			}
		}
	}
	clear(b.stale)
	for _, network := range b.places[t] {
		out = append(out, networkSet{network, b.setOf(network)})
	}
	return out
}

// follow keeps the places of a target.
func (b *rulebook) follow(t access.Target) {
	if _, ok := b.places[t]; ok {
		return
	}
	places := []string{}
	for _, s := range b.sets {
		if s.set.Closeness(t) > 0 {
			places = append(places, s.network)
		}
	}
	b.places[t] = places
}

// forget drops a test, and the places of its target if no other test has it.
func (b *rulebook) forget(id string) {
	old, ok := b.tests[id]
	if !ok {
		return
	}
	delete(b.tests, id)
	delete(b.allowed, id)
	for _, t := range b.tests {
		if t.Target == old.Target {
			return
		}
	}
	delete(b.places, old.Target)
}

// goesOn says whether a test certainly holds if it held before a change of some networks; nil is
// any. One that expects to be refused needs to be decided in those alone, and one that
// expects to reach in the network that has allowed it: there may be hundreds of others.
func (b *rulebook) goesOn(t Test, networks []string, now time.Time) bool {
	if networks == nil {
		return false
	}
	if t.Expect == ExpectReach {
		network := b.allowed[t.ID]
		return network != "" && b.resultIn([]string{network}, t, now).Allowed
	}
	return !b.resultIn(networks, t, now).Allowed
}

// resultIn decides a test in some networks only.
func (b *rulebook) resultIn(networks []string, t Test, now time.Time) TestResult {
	var sets []networkSet
	for _, network := range networks {
		if s := b.setOf(network); s != nil {
			sets = append(sets, networkSet{network, s})
		}
	}
	return b.decide(sets, t, now)
}

// result decides a test.
func (b *rulebook) result(t Test, now time.Time) TestResult {
	sets := b.covering(t.Target)
	if _, followed := b.places[t.Target]; !followed { // the test was changed meanwhile
		sets = b.sets
	}
	r := b.decide(sets, t, now)
	if delete(b.allowed, t.ID); r.Allowed && t.Expect == ExpectReach {
		b.allowed[t.ID] = r.Answer.NetworkID
	}
	return r
}

func (b *rulebook) decide(sets []networkSet, t Test, now time.Time) TestResult {
	id, labels := b.caller(t)
	caller := access.Caller{Labels: labels}
	var err error
	if caller.ID, err = (identity.Workload{Kind: identity.KindTunneler, ID: id}).SPIFFEID(b.td); err != nil {
		return TestResult{t, Answer{Decision: access.Decision{Code: access.NoCaller}}} // no id that Parse takes
	}
	return TestResult{t, decideIn(sets, caller, Question{Target: t.Target, NetworkID: t.NetworkID}, now)}
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
			b.forget(c.ID)
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
		b.forget(t.ID)
		b.tests[t.ID] = t
		b.follow(t.Target)
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
		b.stale[id] = struct{}{}
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
			b.stale[old.NetworkID] = struct{}{}
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
	b.stale[r.NetworkID] = struct{}{}
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
