package ruleset

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Scope is which of the two sets of a connector a rule is in.
type Scope int

// The two sets.
const (
	Network Scope = iota // of the connector's network
	Shared               // of all networks
	scopes
)

// errKind is of a rule of a later release.
var errKind = errors.New("its kind is not known here: is this program older than its controller?")

// errField is of a rule of a kind that is known, by a later release.
var errField = errors.New("it has a field that is not known here: is this program older than its controller?")

// Rules are what is decided by in one network.
type Rules struct {
	td     spiffeid.TrustDomain
	access *access.Set
	labels map[string]access.Labels // of tunnelers, by id
	zones  access.Zones

	raw [scopes]map[string][]byte
	// obscure are rules that are not understood and may say less than the others.
	obscure map[string]error
}

// NewRules returns Rules by which nobody reaches anything.
func NewRules(td spiffeid.TrustDomain) *Rules {
	r := &Rules{td: td}
	r.Clear()
	return r
}

// Clear removes all rules.
func (r *Rules) Clear() {
	r.access, r.labels, r.obscure = access.NewSet(r.td), map[string]access.Labels{}, map[string]error{}
	for scope := range r.raw {
		r.raw[scope] = map[string][]byte{}
	}
}

// Put adds a rule, or replaces that of the same key. An error is why it is not understood:
// it is there, and does what Rule of the protocol says of such ones.
func (r *Rules) Put(in Scope, rule Rule) error {
	r.raw[in][rule.Key] = rule.Raw
	return r.settle(rule.Key)
}

// Remove removes a rule, if it is there.
func (r *Rules) Remove(in Scope, key string) {
	if _, ok := r.raw[in][key]; ok {
		delete(r.raw[in], key)
		_ = r.settle(key) // what is wrong with the other one was said as it came
	}
}

// deny has a rule count for nothing that allows. It says whether the rule was there.
func (r *Rules) deny(in Scope, key string) bool {
	if _, ok := r.raw[in][key]; !ok {
		return false
	}
	switch kind, id, _ := strings.Cut(key, "/"); kind + "/" {
	case kindGrant, kindTunneler:
		r.Remove(in, key)
	case kindResource:
		r.access.Withhold(id)
	}
	return true
}

// settle has the rule of a key count that is there. A grant whose object is another one
// moves from one set to the other, and is in both or in none for a moment.
func (r *Rules) settle(key string) error {
	r.forget(key)
	for _, of := range r.raw {
		if raw, ok := of[key]; ok {
			return r.apply(key, raw)
		}
	}
	return nil
}

// forget undoes apply.
func (r *Rules) forget(key string) {
	delete(r.obscure, key)
	kind, id, _ := strings.Cut(key, "/")
	switch kind + "/" {
	case kindNetwork:
		r.access.Declare(nil)
	case kindResource:
		r.access.RemoveResource(id)
	case kindGrant:
		r.access.RemoveGrant(id)
	case kindTunneler:
		delete(r.labels, id)
	}
}

func (r *Rules) apply(key string, raw []byte) error {
	var m zerotrustv1.Rule
	err := proto.Unmarshal(raw, &m)
	if err == nil && !known(&m) {
		err = errField
	}
	if err == nil {
		err = r.take(key, &m)
	}
	if err == nil {
		return nil
	}
	if !strings.HasPrefix(key, kindGrant) && !strings.HasPrefix(key, kindTunneler) {
		r.obscure[key] = err
	}
	return fmt.Errorf("rule %q: %w", key, err)
}

// known says whether all fields of a rule are: one that is not may restrict what the others
// allow, or say what a target gets to know of a connection. Of a kind that is not known, take
// says so itself.
func known(m *zerotrustv1.Rule) bool {
	of := m.ProtoReflect()
	kind := of.WhichOneof(of.Descriptor().Oneofs().ByName("rule"))
	return kind == nil || len(of.GetUnknown()) == 0 && len(of.Get(kind).Message().GetUnknown()) == 0
}

func (r *Rules) take(key string, m *zerotrustv1.Rule) error {
	switch m := m.GetRule().(type) {
	case *zerotrustv1.Rule_Network:
		prefixes, err := access.ParsePrefixes(m.Network.GetPrefixes())
		if err == nil && key != NetworkKey(m.Network.GetId()) {
			err = errOther
		}
		if err == nil {
			r.access.Declare(prefixes)
		}
		return err
	case *zerotrustv1.Rule_Resource:
		resource, err := resourceOf(m.Resource)
		if err == nil && key != ResourceKey(resource.ID) {
			err = errOther
		}
		if err == nil {
			r.access.PutResource(resource)
		}
		return err
	case *zerotrustv1.Rule_Grant:
		grant, err := grantOf(m.Grant, &r.zones)
		if err == nil && key != GrantKey(grant.ID) {
			err = errOther
		}
		if err == nil {
			r.access.PutGrant(grant)
		}
		return err
	case *zerotrustv1.Rule_Tunneler:
		labels, err := labelsOf(m.Tunneler.GetLabels())
		if err == nil && key != TunnelerKey(m.Tunneler.GetId()) {
			err = errOther
		}
		if err == nil {
			r.labels[m.Tunneler.GetId()] = labels
		}
		return err
	}
	return errKind
}

// Obscure counts the rules that are not understood and because of which all is refused.
func (r *Rules) Obscure() int { return len(r.obscure) }

// Len counts the resources and the grants.
func (r *Rules) Len() (resources, grants int) { return r.access.Len() }

// Resource returns a resource.
func (r *Rules) Resource(id string) (access.Resource, bool) { return r.access.Resource(id) }

// Grant returns a grant.
func (r *Rules) Grant(id string) (access.Grant, bool) { return r.access.Grant(id) }

func (r *Rules) caller(id spiffeid.ID) access.Caller {
	c := access.Caller{ID: id}
	if w, err := identity.ParseWorkload(id); err == nil {
		c.Labels = r.labels[w.ID]
	}
	return c
}

// Decide is access.Set.Decide for a tunneler with the labels that the rules give it. A refusal
// is explained by access.Set.WhyNot, for the records.
func (r *Rules) Decide(tunneler spiffeid.ID, t access.Target, now time.Time) access.Decision {
	if len(r.obscure) > 0 {
		return access.Decision{Code: access.NotUnderstood}
	}
	c := r.caller(tunneler)
	return r.access.WhyNot(c, t, r.access.Decide(c, t, now), now)
}

// DecideAddress is access.Set.DecideAddress.
func (r *Rules) DecideAddress(tunneler spiffeid.ID, d access.Decision, to netip.AddrPort, now time.Time) access.Decision {
	if len(r.obscure) > 0 {
		return access.Decision{Code: access.NotUnderstood}
	}
	return r.access.DecideAddress(r.caller(tunneler), d, to, now)
}

// Names says whether a resource names this very address and port.
func (r *Rules) Names(to netip.AddrPort) bool { return r.access.Names(to) }
