package fleet

import (
	"cmp"
	"unique"

	"github.com/tidwall/btree"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
)

// entry is one of a list: its row, and what of it lists are filtered and ordered by. It
// never changes, it is only replaced.
type entry[T any] struct {
	id       string
	row      *T
	enrolled int64  // microseconds since 1970, or noTime
	label    string // the version as a key, or the hostname
	seen     int64  // of one that is OFFLINE; what is ONLINE moves with each heartbeat
	part     part
	signs    signs
}

// part is which of the parts of a list an entry is in.
type part uint8

const (
	online  part = 1
	gone    part = 2 // revoked
	allPart      = 4
)

func (p part) status() presence.Status {
	if p&online != 0 {
		return presence.Online
	}
	return presence.Offline
}

// signs are for what an operator is asked to look into a member.
type signs uint8

const (
	refusing signs = 1 << iota
	outdated
	cloned
	contested
	allSigns = 4
)

func (s signs) when(has bool) signs {
	if has {
		return s
	}
	return 0
}

// The orders in which each part is kept. ByStatus is a part after another.
const (
	orderID = iota
	orderEnrolled
	orderLabel
	orderSeen
	allOrders
)

func orderOf(s Sort) int {
	switch s {
	case ByEnrolled:
		return orderEnrolled
	case ByVersion, ByHostname:
		return orderLabel
	case BySeen:
		return orderSeen
	default:
		return orderID
	}
}

func compareIn[T any](order int, a, b *entry[T]) int {
	c := 0
	switch order {
	case orderEnrolled:
		c = cmp.Compare(a.enrolled, b.enrolled)
	case orderLabel:
		c = cmp.Compare(a.label, b.label)
	case orderSeen:
		c = cmp.Compare(a.seen, b.seen)
	}
	if c != 0 {
		return c
	}
	return cmp.Compare(a.id, b.id)
}

type tree[T any] = btree.BTreeG[*entry[T]]

// table are the entries of one list. It is changed in one place, and what it hands out
// by copy shares with it what is the same.
type table[T any] struct {
	parts [allPart][allOrders]*tree[T]
	signs [allSigns]*tree[T]
	// labels finds those that have a label; labelsOf says which a row has.
	labels   *btree.BTreeG[labelled[T]]
	labelsOf func(*T) access.Labels
}

// labelled is an entry by one of its labels, as text.
type labelled[T any] struct {
	label string
	entry *entry[T]
}

func compareLabelled[T any](a, b labelled[T]) bool {
	return cmp.Or(cmp.Compare(a.label, b.label), cmp.Compare(a.entry.id, b.entry.id)) < 0
}

func newTable[T any](labelsOf func(*T) access.Labels) *table[T] {
	t := &table[T]{labelsOf: labelsOf, labels: btree.NewBTreeGOptions(compareLabelled[T], btree.Options{NoLocks: true})}
	for p := range t.parts {
		for order := range t.parts[p] {
			t.parts[p][order] = newTree[T](order)
		}
	}
	for i := range t.signs {
		t.signs[i] = newTree[T](orderID)
	}
	return t
}

func newTree[T any](order int) *tree[T] {
	return btree.NewBTreeGOptions(func(a, b *entry[T]) bool { return compareIn(order, a, b) < 0 }, btree.Options{NoLocks: true})
}

func (t *table[T]) copy() *table[T] {
	out := &table[T]{labels: t.labels.Copy(), labelsOf: t.labelsOf}
	for p := range t.parts {
		for order := range t.parts[p] {
			out.parts[p][order] = t.parts[p][order].Copy()
		}
	}
	for i := range t.signs {
		out.signs[i] = t.signs[i].Copy()
	}
	return out
}

// get returns nil for one that is not there.
func (t *table[T]) get(id string) *entry[T] {
	for p := range t.parts {
		if e, ok := t.parts[p][orderID].Get(&entry[T]{id: id}); ok {
			return e
		}
	}
	return nil
}

// put adds an entry, or replaces the one that is returned.
func (t *table[T]) put(e *entry[T]) (old *entry[T]) {
	old = t.remove(e.id)
	for _, tree := range t.parts[e.part] {
		tree.Set(e)
	}
	for i, tree := range t.signs {
		if e.signs&(1<<i) != 0 {
			tree.Set(e)
		}
	}
	if e.row != nil {
		for _, text := range t.labelsOf(e.row).Texts() {
			t.labels.Set(labelled[T]{unique.Make(text).Value(), e})
		}
	}
	return old
}

// with goes through the entries that have a label, by id; it ends when fn says so.
func (t *table[T]) with(l access.Label, fn func(*entry[T]) bool) {
	text := l.String()
	t.labels.Ascend(labelled[T]{text, &entry[T]{}}, func(at labelled[T]) bool { return at.label == text && fn(at.entry) })
}

// remove takes an entry away and returns it; nil if it was not there.
func (t *table[T]) remove(id string) *entry[T] {
	old := t.get(id)
	if old == nil {
		return nil
	}
	for _, tree := range t.parts[old.part] {
		tree.Delete(old)
	}
	for i, tree := range t.signs {
		if old.signs&(1<<i) != 0 {
			tree.Delete(old)
		}
	}
	for _, text := range t.labelsOf(old.row).Texts() {
		t.labels.Delete(labelled[T]{text, old})
	}
	return old
}

func (t *table[T]) len(parts []part) (n int) {
	for _, p := range parts {
		n += t.parts[p][orderID].Len()
	}
	return n
}

// count are those that are not revoked.
func (t *table[T]) count() Count {
	return Count{Total: t.len([]part{0, online}), Online: t.len([]part{online})}
}

// cursor goes through entries in one order; it ends with nil.
type cursor[T any] func() *entry[T]

// walk goes through parts in an order, from after an entry on; nil is the beginning.
func (t *table[T]) walk(order int, descending bool, after *entry[T], parts []part) cursor[T] {
	all := make([]cursor[T], len(parts))
	for i, p := range parts {
		all[i] = walkTree(t.parts[p][order], descending, after)
	}
	return merge(order, descending, all)
}

func walkTree[T any](tree *tree[T], descending bool, after *entry[T]) cursor[T] {
	it := tree.Iter()
	step := func() bool {
		switch {
		case after == nil && descending:
			return it.Last()
		case after == nil:
			return it.First()
		case descending && !it.Seek(after):
			return it.Last()
		case descending:
			return it.Prev()
		default:
			return it.Seek(after) && (tree.Less(after, it.Item()) || it.Next())
		}
	}
	return func() *entry[T] {
		if step == nil || !step() {
			step = nil
			return nil
		}
		if step = it.Next; descending {
			step = it.Prev
		}
		return it.Item()
	}
}

// merge goes through several in one order.
func merge[T any](order int, descending bool, all []cursor[T]) cursor[T] {
	if len(all) == 1 {
		return all[0]
	}
	heads := make([]*entry[T], len(all))
	for i, next := range all {
		heads[i] = next()
	}
	return func() *entry[T] {
		best := -1
		for i, e := range heads {
			if e != nil && (best < 0 || (compareIn(order, e, heads[best]) < 0) != descending) {
				best = i
			}
		}
		if best < 0 {
			return nil
		}
		out := heads[best]
		heads[best] = all[best]()
		return out
	}
}

// chain goes through one after the other.
func chain[T any](all ...cursor[T]) cursor[T] {
	return func() *entry[T] {
		for len(all) > 0 {
			if e := all[0](); e != nil {
				return e
			}
			all = all[1:]
		}
		return nil
	}
}
