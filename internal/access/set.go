package access

import (
	"encoding/binary"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// Set is the resources and grants of one network, indexed. Each edit costs what the one
// entry is, not what there is.
type Set struct {
	td       spiffeid.TrustDomain
	prefixes ranges // that the network declares; empty for none

	resources map[string]*protected
	names     map[string][]*protected // by name
	aliases   map[string][]*protected // by alias
	below     map[string][]*protected // by the NAME of *.NAME
	within4   [33]byPrefix            // by the length of the prefix
	within6   [129]byPrefix

	grants   map[string]Grant
	edges    map[edge][]Grant
	subjects map[Subject]int // how many grants they have
	objects  map[Object]int
}

// byPrefix are the resources that cover prefixes of one length; nil if there are none, so
// that a look-up tries only the lengths that there are.
type byPrefix map[[2]uint64][]*protected

// first are the first bits of an address, as a key.
func first(addr netip.Addr, bits int) [2]uint64 {
	if addr.Is4() {
		b := addr.As4()
		return [2]uint64{uint64(binary.BigEndian.Uint32(b[:])) >> (32 - bits)}
	}
	b := addr.As16()
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	if bits <= 64 {
		return [2]uint64{high >> (64 - bits)}
	}
	return [2]uint64{high, low >> (128 - bits)}
}

// edge is from whom to what grants lead.
type edge struct {
	subject Subject
	object  Object
}

// protected is a resource, with the objects of grants that it is.
type protected struct {
	Resource

	objects []Object
}

// NewSet returns an empty Set, by which nobody reaches anything. Callers are of this trust
// domain.
func NewSet(td spiffeid.TrustDomain) *Set {
	return &Set{
		td: td, resources: map[string]*protected{}, names: map[string][]*protected{}, aliases: map[string][]*protected{}, below: map[string][]*protected{},
		grants: map[string]Grant{}, edges: map[edge][]Grant{}, subjects: map[Subject]int{}, objects: map[Object]int{},
	}
}

// Declare replaces the prefixes of the network.
func (s *Set) Declare(prefixes []netip.Prefix) { s.prefixes = slices.Clone(prefixes) }

// Len counts the resources and the grants.
func (s *Set) Len() (resources, grants int) { return len(s.resources), len(s.grants) }

// Resource returns a resource.
func (s *Set) Resource(id string) (r Resource, ok bool) {
	if p, ok := s.resources[id]; ok {
		return p.Resource, true
	}
	return r, false
}

// Grant returns a grant.
func (s *Set) Grant(id string) (g Grant, ok bool) {
	g, ok = s.grants[id]
	return g, ok
}

// PutResource adds a resource, or replaces that of the same id.
func (s *Set) PutResource(r Resource) {
	s.RemoveResource(r.ID)
	p := &protected{Resource: r, objects: Objects(r)}
	s.resources[r.ID] = p
	if r.Alias != "" {
		s.aliases[r.Alias] = append(s.aliases[r.Alias], p)
	}
	for _, h := range r.Hosts {
		switch {
		case h.below:
			s.below[h.name] = append(s.below[h.name], p)
		case h.name != "":
			s.names[h.name] = append(s.names[h.name], p)
		default:
			index, key := s.prefixIndex(h.prefix)
			if *index == nil {
				*index = byPrefix{}
			}
			(*index)[key] = append((*index)[key], p)
		}
	}
}

// Objects are what grants of a resource name: itself and each of its labels.
func Objects(r Resource) []Object {
	out := []Object{ResourceObject(r.ID)}
	for _, key := range slices.Sorted(maps.Keys(r.Labels)) {
		out = append(out, Object{kindLabel, key, r.Labels[key]})
	}
	return out
}

// Withhold has no grant count for a resource until it is put again. It still guards what it
// covers.
func (s *Set) Withhold(id string) {
	if p, ok := s.resources[id]; ok {
		p.objects = nil
	}
}

// RemoveResource removes a resource, if it is there.
func (s *Set) RemoveResource(id string) {
	p, ok := s.resources[id]
	if !ok {
		return
	}
	delete(s.resources, id)
	without(s.aliases, p.Alias, p)
	for _, h := range p.Hosts {
		switch {
		case h.below:
			without(s.below, h.name, p)
		case h.name != "":
			without(s.names, h.name, p)
		default:
			index, key := s.prefixIndex(h.prefix)
			if without(*index, key, p); len(*index) == 0 {
				*index = nil
			}
		}
	}
}

func (s *Set) prefixIndex(p netip.Prefix) (*byPrefix, [2]uint64) {
	if p.Addr().Is4() {
		return &s.within4[p.Bits()], first(p.Addr(), p.Bits())
	}
	return &s.within6[p.Bits()], first(p.Addr(), p.Bits())
}

func without[K comparable](index map[K][]*protected, key K, p *protected) {
	left := slices.DeleteFunc(index[key], func(o *protected) bool { return o == p })
	if len(left) == 0 {
		delete(index, key)
		return
	}
	index[key] = left
}

// PutGrant adds a grant, or replaces that of the same id. What it names need not be there.
func (s *Set) PutGrant(g Grant) {
	s.RemoveGrant(g.ID)
	s.grants[g.ID] = g
	e := edge{g.Subject, g.Object}
	s.edges[e] = append(s.edges[e], g)
	s.subjects[g.Subject]++
	s.objects[g.Object]++
}

// RemoveGrant removes a grant, if it is there.
func (s *Set) RemoveGrant(id string) {
	g, ok := s.grants[id]
	if !ok {
		return
	}
	delete(s.grants, id)
	e := edge{g.Subject, g.Object}
	s.edges[e] = slices.DeleteFunc(s.edges[e], func(o Grant) bool { return o.ID == id })
	if len(s.edges[e]) == 0 {
		delete(s.edges, e)
	}
	if s.subjects[g.Subject]--; s.subjects[g.Subject] == 0 {
		delete(s.subjects, g.Subject)
	}
	if s.objects[g.Object]--; s.objects[g.Object] == 0 {
		delete(s.objects, g.Object)
	}
}

// covering lists resources that cover a port of a host: of those that do, the ones that
// cover it most specifically, and maybe others of the same host that do not have the port.
// A name is more specific than a star, and the longer NAME of *.NAME or the longer prefix is.
func (s *Set) covering(host Host, port uint16) []*protected {
	addr, ok := host.Addr()
	if !ok {
		return s.coveringName(host.name, port)
	}
	within := s.within6[:]
	if addr.Is4() {
		within = s.within4[:]
	}
	for bits := len(within) - 1; bits >= 0; bits-- {
		if within[bits] == nil {
			continue
		}
		if all := within[bits][first(addr, bits)]; anyWith(all, port) {
			return all
		}
	}
	return nil
}

func (s *Set) coveringName(name string, port uint16) []*protected {
	if all := s.names[name]; anyWith(all, port) {
		return all
	}
	for {
		_, rest, ok := strings.Cut(name, ".")
		if !ok {
			return nil
		}
		if all := s.below[rest]; anyWith(all, port) {
			return all
		}
		name = rest
	}
}

// The least closeness of a resource that names the very host; *.NAME is as close as NAME is
// long, and a prefix as it is.
const closest = 1 << 10

// Closeness says how specifically the resources that decide about a target cover it, to compare
// sets; 0 if none does.
func (s *Set) Closeness(t Target) (most int) {
	host, err := ParseHost(t.Host)
	if err != nil {
		return 0
	}
	for _, p := range s.covering(host, t.Port) {
		if !hasPort(p.Ports, t.Port) {
			continue
		}
		for _, pattern := range p.Hosts {
			most = max(most, pattern.closeness(host))
		}
	}
	return most
}

// Covers says whether a target is of the resource, whatever others cover it more specifically.
func (r Resource) Covers(t Target) bool {
	host, err := ParseHost(t.Host)
	return err == nil && hasPort(r.Ports, t.Port) && slices.ContainsFunc(r.Hosts, func(p Pattern) bool { return p.closeness(host) > 0 })
}

func (p Pattern) closeness(h Host) int {
	switch addr, ok := h.Addr(); {
	case ok && p.prefix.IsValid() && p.prefix.Contains(addr):
		return p.prefix.Bits() + 1
	case ok || p.name == "":
		return 0
	case p.below && strings.HasSuffix(h.name, "."+p.name):
		return len(p.name)
	case !p.below && h.name == p.name:
		return closest
	}
	return 0
}

func anyWith(all []*protected, port uint16) bool {
	for _, p := range all {
		if hasPort(p.Ports, port) {
			return true
		}
	}
	return false
}
