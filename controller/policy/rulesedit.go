package policy

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/tidwall/btree"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/ruleset"
)

// shared is the place of rules of all networks; that of others is the id of their network.
const shared = ""

// rulesEdit changes the rules for the next snapshot. Each is in one place.
type rulesEdit struct {
	places map[string]*edit[ruleset.Rule] // networks, and shared
	placed map[string]string              // where a rule is, by key

	fresh, changed map[string]struct{} // places, since the last snapshot

	// Of the last snapshot.
	all      Members[ruleset.Rule]
	networks *btree.Map[string, Members[ruleset.Rule]]
}

func newRulesEdit() *rulesEdit {
	e := &rulesEdit{
		places: map[string]*edit[ruleset.Rule]{}, placed: map[string]string{}, fresh: map[string]struct{}{}, changed: map[string]struct{}{},
		networks: btree.NewMap[string, Members[ruleset.Rule]](degree),
	}
	return e
}

// at returns the rules of a place.
func (e *rulesEdit) at(place string) *edit[ruleset.Rule] {
	at := e.places[place]
	if at == nil {
		at = newEdit(func(a, b ruleset.Rule) bool { return bytes.Equal(a.Raw, b.Raw) }, ruleset.Rule.Digest)
		e.places[place], e.fresh[place] = at, struct{}{}
	}
	return at
}

// put replaces or adds a rule.
func (e *rulesEdit) put(place string, rule ruleset.Rule) {
	if was, ok := e.placed[rule.Key]; ok && was != place {
		e.remove(rule.Key)
	}
	e.placed[rule.Key] = place
	e.at(place).put(rule.Key, &rule)
	e.changed[place] = struct{}{}
}

// remove removes a rule, if it is there.
func (e *rulesEdit) remove(key string) {
	place, ok := e.placed[key]
	if !ok {
		return
	}
	delete(e.placed, key)
	e.at(place).put(key, nil)
	e.changed[place] = struct{}{}
}

// keep removes all rules but these.
func (e *rulesEdit) keep(keys map[string]struct{}) {
	for key := range maps.Clone(e.placed) {
		if _, ok := keys[key]; !ok {
			e.remove(key)
		}
	}
}

// snapshot returns the rules as they are now, at a revision.
func (e *rulesEdit) snapshot(revision uint64, first bool) (all Members[ruleset.Rule], networks *btree.Map[string, Members[ruleset.Rule]]) {
	for place := range e.changed {
		_, fresh := e.fresh[place]
		now := e.places[place].snapshot(revision, first || fresh)
		switch {
		case place == shared:
			e.all = now
		case now.Len() == 0:
			// Its network is gone, or declares nothing and has no resources. Whoever is there
			// gets everything, which is nothing.
			delete(e.places, place)
			e.networks.Delete(place)
		default:
			e.networks.Set(place, now)
		}
	}
	clear(e.changed)
	clear(e.fresh)
	return e.all, e.networks.Copy()
}

// ruleIDs are those of what changed that rules are made of.
type ruleIDs struct {
	networks          bool
	resources, grants []string
}

// syncRules reads all rules.
func (r *reader) syncRules(ctx context.Context, tunnelers []fleet.Tunneler) error {
	networks, err := r.store.Networks(ctx)
	if err != nil {
		return err
	}
	resources, err := r.store.Resources(ctx)
	if err != nil {
		return err
	}
	grants, err := r.store.Grants(ctx)
	if err != nil {
		return err
	}
	there := map[string]struct{}{}
	for _, n := range networks {
		there[ruleset.NetworkKey(n.ID)] = struct{}{}
	}
	for _, res := range resources {
		there[ruleset.ResourceKey(res.ID)] = struct{}{}
	}
	for _, g := range grants {
		there[ruleset.GrantKey(g.ID)] = struct{}{}
	}
	asked := make(map[string]struct{}, len(tunnelers))
	for _, t := range tunnelers {
		there[ruleset.TunnelerKey(t.ID)], asked[t.ID] = struct{}{}, struct{}{}
	}
	r.rules.keep(there)
	r.reaches.keep(there)
	if err := r.putRules(networks, resources, grants); err != nil {
		return err
	}
	return r.labelled(asked, tunnelers)
}

// applyRules reads what changed.
func (r *reader) applyRules(ctx context.Context, ids ruleIDs) error {
	var networks []fleet.Network
	var resources []Resource
	var grants []Grant
	var err error
	if ids.networks { // there are few, and they change seldom
		if networks, err = r.store.Networks(ctx); err != nil {
			return err
		}
	}
	if len(ids.resources) > 0 {
		if resources, err = r.store.ResourcesByID(ctx, ids.resources); err != nil {
			return err
		}
	}
	if len(ids.grants) > 0 {
		if grants, err = r.store.GrantsByID(ctx, ids.grants); err != nil {
			return err
		}
	}
	for _, id := range ids.resources {
		if !slices.ContainsFunc(resources, func(res Resource) bool { return res.ID == id }) {
			r.removeRule(ruleset.ResourceKey(id))
		}
	}
	for _, id := range ids.grants {
		if !slices.ContainsFunc(grants, func(g Grant) bool { return g.ID == id }) {
			r.removeRule(ruleset.GrantKey(id))
		}
	}
	if ids.networks {
		r.removeNetworks(networks)
	}
	return r.putRules(networks, resources, grants)
}

// removeNetworks removes those that are not there any more. Their resources went before.
func (r *reader) removeNetworks(there []fleet.Network) {
	for place := range maps.Clone(r.rules.places) {
		if place != shared && !slices.ContainsFunc(there, func(n fleet.Network) bool { return n.ID == place }) {
			r.rules.remove(ruleset.NetworkKey(place))
		}
	}
}

func (r *reader) putRules(networks []fleet.Network, resources []Resource, grants []Grant) error {
	for _, n := range networks {
		if len(n.Prefixes) == 0 {
			r.rules.remove(ruleset.NetworkKey(n.ID))
			continue
		}
		rule, err := ruleset.OfNetwork(n.ID, n.Prefixes)
		if err != nil {
			return err
		}
		r.rules.put(n.ID, rule)
	}
	for _, res := range resources {
		rule, err := ruleset.OfResource(res.Resource)
		if err != nil {
			return err
		}
		r.rules.put(res.NetworkID, rule)
		r.reaches.putResource(res.Resource)
	}
	for _, g := range grants {
		rule, err := ruleset.OfGrant(g.Grant)
		if err != nil {
			return err
		}
		r.reaches.putGrant(g.Grant)
		if place, ok := r.placeOf(g); ok {
			r.rules.put(place, rule)
		} else {
			r.rules.remove(rule.Key)
		}
	}
	return nil
}

// placeOf is where a grant counts: in the network of its resource, or in all of them. It is
// nowhere if the resource is not there.
func (r *reader) placeOf(g Grant) (place string, ok bool) {
	id, ok := g.Object.Resource()
	if !ok {
		return shared, true
	}
	place, ok = r.rules.placed[ruleset.ResourceKey(id)]
	return place, ok
}

// labelled takes the labels of the tunnelers that were asked for.
func (r *reader) labelled(asked map[string]struct{}, tunnelers []fleet.Tunneler) error {
	without := maps.Clone(asked)
	for _, t := range tunnelers {
		if !t.Live() || len(t.About.Labels) == 0 {
			continue
		}
		rule, err := ruleset.OfTunneler(t.ID, t.About.Labels)
		if err != nil {
			return err
		}
		r.rules.put(shared, rule)
		r.reaches.putLabels(t.ID, t.About.Labels)
		delete(without, t.ID)
	}
	for id := range without {
		r.removeRule(ruleset.TunnelerKey(id))
	}
	return nil
}
