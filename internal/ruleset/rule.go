package ruleset

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// MaxRule is how many bytes an encoded rule may have.
const MaxRule = 8 << 10

// ErrMalformed is of bytes that are no rule: their sender is broken.
var ErrMalformed = errors.New("malformed rule")

// Rule is one entry of a set.
type Rule struct {
	// Key is its kind and id: resource/db.
	Key string
	// Raw is the rule as it is sent, counted and kept.
	Raw []byte
}

// Digest is that of the rule in its set.
func (r Rule) Digest() delta.Digest { return delta.Rule(r.Raw) }

// Kinds of rules, as their keys begin.
const (
	kindNetwork  = "network/"
	kindResource = "resource/"
	kindGrant    = "grant/"
	kindTunneler = "tunneler/"
)

// NetworkKey is the key of what a network declares.
func NetworkKey(id string) string { return kindNetwork + id }

// ResourceKey is the key of a resource.
func ResourceKey(id string) string { return kindResource + id }

// GrantKey is the key of a grant.
func GrantKey(id string) string { return kindGrant + id }

// TunnelerKey is the key of the labels of a tunneler.
func TunnelerKey(id string) string { return kindTunneler + id }

// OfNetwork says where names of a network may lead to.
func OfNetwork(id string, prefixes []netip.Prefix) (Rule, error) {
	return encode(&zerotrustv1.Rule{
		Key:  NetworkKey(id),
		Rule: &zerotrustv1.Rule_Network{Network: &zerotrustv1.NetworkRule{Id: id, Prefixes: access.PrefixTexts(prefixes)}},
	})
}

// OfResource is a resource.
func OfResource(r access.Resource) (Rule, error) {
	t := r.Text()
	return encode(&zerotrustv1.Rule{
		Key: ResourceKey(r.ID),
		Rule: &zerotrustv1.Rule_Resource{Resource: &zerotrustv1.ResourceRule{
			Id: t.ID, NetworkId: t.NetworkID, Name: t.Name, Hosts: t.Hosts, Ports: t.Ports, Alias: t.Alias, Labels: t.Labels.Texts(),
			ProxyProtocol: t.ProxyProtocol,
		}},
	})
}

// OfGrant is a grant.
func OfGrant(g access.Grant) (Rule, error) {
	t := g.Text()
	m := &zerotrustv1.GrantRule{Id: t.ID, Subject: t.Subject, Object: t.Object, TimeZone: t.TimeZone, Windows: t.Windows}
	if !t.Until.IsZero() {
		m.Until = timestamppb.New(t.Until)
	}
	return encode(&zerotrustv1.Rule{Key: GrantKey(g.ID), Rule: &zerotrustv1.Rule_Grant{Grant: m}})
}

// OfTunneler is the labels of a tunneler.
func OfTunneler(id string, labels access.Labels) (Rule, error) {
	return encode(&zerotrustv1.Rule{
		Key: TunnelerKey(id), Rule: &zerotrustv1.Rule_Tunneler{Tunneler: &zerotrustv1.TunnelerRule{Id: id, Labels: labels.Texts()}},
	})
}

// encode fails for what is over the cap, which no connector would take.
func encode(m *zerotrustv1.Rule) (Rule, error) {
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err == nil && len(raw) > MaxRule {
		err = fmt.Errorf("rule %s has %d bytes, at most %d were expected", m.GetKey(), len(raw), MaxRule)
	}
	return Rule{Key: m.GetKey(), Raw: raw}, err
}

// Parse reads the key of an encoded rule. What the rule says is read by Rules. Errors:
// ErrMalformed.
func Parse(raw []byte) (Rule, error) {
	if len(raw) > MaxRule {
		return Rule{}, fmt.Errorf("%w: %d bytes, at most %d are taken", ErrMalformed, len(raw), MaxRule)
	}
	var m zerotrustv1.Rule
	if err := proto.Unmarshal(raw, &m); err != nil {
		return Rule{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if n := len(m.GetKey()); n == 0 || n > delta.MaxKey {
		return Rule{}, fmt.Errorf("%w: a key of %d bytes", ErrMalformed, n)
	}
	return Rule{Key: m.GetKey(), Raw: raw}, nil
}

// ParseAll is Parse of several.
func ParseAll(raws [][]byte) ([]Rule, error) {
	out := make([]Rule, 0, len(raws))
	for _, raw := range raws {
		r, err := Parse(raw)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// errOther is of a rule whose key is that of another one.
var errOther = errors.New("the key is not that of the rule")

func resourceOf(m *zerotrustv1.ResourceRule) (access.Resource, error) {
	labels, err := labelsOf(m.GetLabels())
	if err != nil {
		return access.Resource{}, err
	}
	return access.ResourceText{
		ID: m.GetId(), NetworkID: m.GetNetworkId(), Name: m.GetName(), Hosts: m.GetHosts(), Ports: m.GetPorts(), Alias: m.GetAlias(), Labels: labels,
		ProxyProtocol: m.GetProxyProtocol(),
	}.Parse()
}

func grantOf(m *zerotrustv1.GrantRule, zones *access.Zones) (access.Grant, error) {
	t := access.GrantText{ID: m.GetId(), Subject: m.GetSubject(), Object: m.GetObject(), TimeZone: m.GetTimeZone(), Windows: m.GetWindows()}
	if m.GetUntil() != nil {
		if err := m.GetUntil().CheckValid(); err != nil {
			return access.Grant{}, err
		}
		if t.Until = m.GetUntil().AsTime(); t.Until.IsZero() { // the year 1 would be never
			return access.Grant{}, errors.New("until is not a time")
		}
	}
	return t.Parse(zones)
}

func labelsOf(texts []string) (access.Labels, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	all, err := access.ParseLabels(strings.Join(texts, ","))
	if err != nil {
		return nil, err
	}
	out := make(access.Labels, len(all))
	for _, l := range all {
		out[l.Key] = l.Value
	}
	return out, nil
}
