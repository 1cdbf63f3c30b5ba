package policy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// merge returns a list by id with some entries replaced, added or, where news has nil,
// left out, and the ids of those that were there and are left out now. changed hears
// of each that differs. old stays as it is; so it is returned if nothing differs.
func merge[T any](old []T, news map[string]*T, id func(T) string, equal func(a, b T) bool, changed func(id string)) (merged []T, gone []string) {
	merged = make([]T, 0, len(old)+len(news))
	from, differs := 0, false
	for _, name := range slices.Sorted(maps.Keys(news)) {
		at, found := slices.BinarySearchFunc(old[from:], name, func(e T, name string) int { return strings.Compare(id(e), name) })
		at += from
		merged = append(merged, old[from:at]...)
		from = at
		next := news[name]
		if found {
			from++
		}
		switch {
		case !found && next == nil:
			continue
		case found && next != nil && equal(old[at], *next):
			merged = append(merged, old[at])
			continue
		case next == nil:
			gone = append(gone, name)
		default:
			merged = append(merged, *next)
		}
		differs = true
		changed(name)
	}
	if !differs {
		return old, nil
	}
	return append(merged, old[from:]...), gone
}

func (c Connector) id() string { return c.ID }

func (c Connector) equal(o Connector) bool {
	return c.ID == o.ID && c.SPIFFEID == o.SPIFFEID && c.NetworkID == o.NetworkID && c.HostID == o.HostID && c.SVIDNotBefore.Equal(o.SVIDNotBefore) && slices.Equal(c.Addresses, o.Addresses)
}

// id is the end of the SPIFFE ID.
func (t Tunneler) id() string {
	path := t.SPIFFEID.Path()
	return path[strings.LastIndexByte(path, '/')+1:]
}

func (t Tunneler) equal(o Tunneler) bool {
	return t.SPIFFEID == o.SPIFFEID && t.HostID == o.HostID && t.SVIDNotBefore.Equal(o.SVIDNotBefore)
}

func compareWorkloads(a, b identity.Workload) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID))
}
