package policy

import (
	"iter"
	"slices"
	"sort"

	"github.com/tidwall/btree"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
)

// How far back a Members knows its changes. Whoever is further behind gets everything.
const (
	maxSteps   = 4096
	maxChanges = 16384 // of all steps together
)

// degree of the tree of members: a node has at most 2*degree-1 of them.
const degree = 16

// Members are the live members of one kind at one revision, by id. They never change:
// the next snapshot shares with them what is the same.
type Members[T any] struct {
	byID   *btree.Map[string, *T] // pointers: a change copies the nodes above it, with all that is in them
	digest delta.Digest
	// base is the revision and digest that the first step begins at.
	base  step
	steps []step // by revision; appended to, or cut at the front, so that snapshots can share them
	count int    // of the ids in steps
}

// step is a revision at which something changed.
type step struct {
	revision uint64
	digest   delta.Digest // of the members after it
	ids      []string     // who was added, changed or taken away
}

// Len is the number of members.
func (m Members[T]) Len() int {
	if m.byID == nil {
		return 0
	}
	return m.byID.Len()
}

// Get returns a member.
func (m Members[T]) Get(id string) (member T, ok bool) {
	if m.byID == nil {
		return member, false
	}
	if at, ok := m.byID.Get(id); ok {
		return *at, true
	}
	return member, false
}

// All are the members by id.
func (m Members[T]) All() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		if m.byID != nil {
			m.byID.Scan(func(id string, at *T) bool { return yield(id, *at) })
		}
	}
}

// Digest is that of the members.
func (m Members[T]) Digest() delta.Digest { return m.digest }

// Since lists who was added, changed or taken away since a revision at which the
// members had this digest, in no order. ok is false when that is not known any more, or
// when to send everything is less.
func (m Members[T]) Since(revision uint64, digest delta.Digest) (ids []string, ok bool) {
	if digest == m.digest {
		return nil, true
	}
	next := sort.Search(len(m.steps), func(i int) bool { return m.steps[i].revision > revision })
	at := m.base
	if next > 0 {
		at = m.steps[next-1]
	}
	if revision < at.revision || digest != at.digest {
		return nil, false
	}
	for _, s := range m.steps[next:] {
		ids = append(ids, s.ids...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids, len(ids) <= m.Len()
}

// edit changes the members for the next snapshot.
type edit[T any] struct {
	equal   func(a, b T) bool
	sum     func(T) delta.Digest
	now     Members[T]
	changed []string // since the last snapshot, some of them twice
}

func newEdit[T any](equal func(a, b T) bool, sum func(T) delta.Digest) *edit[T] {
	return &edit[T]{equal: equal, sum: sum, now: Members[T]{byID: btree.NewMap[string, *T](degree)}}
}

// put replaces, adds or, with nil, removes a member; gone says that it was there and
// is not any more.
func (e *edit[T]) put(id string, next *T) (gone bool) {
	old, found := e.now.byID.Get(id)
	if !found && next == nil || found && next != nil && e.equal(*old, *next) {
		return false
	}
	e.changed = append(e.changed, id)
	if found {
		e.now.digest = e.now.digest.Sub(e.sum(*old))
	}
	if next == nil {
		e.now.byID.Delete(id)
		return true
	}
	e.now.byID.Set(id, next)
	e.now.digest = e.now.digest.Add(e.sum(*next))
	return false
}

// snapshot returns the members as they are now, at a revision, and remembers what
// changed. The first one has no history.
func (e *edit[T]) snapshot(revision uint64, first bool) Members[T] {
	if first {
		e.now.base = step{revision: revision, digest: e.now.digest}
	} else if len(e.changed) > 0 {
		e.remember(revision)
	}
	e.changed = nil
	out := e.now
	out.byID = e.now.byID.Copy()
	return out
}

func (e *edit[T]) remember(revision uint64) {
	slices.Sort(e.changed)
	s := step{revision: revision, digest: e.now.digest, ids: slices.Compact(e.changed)}
	e.now.steps = append(e.now.steps, s)
	e.now.count += len(s.ids)
	for len(e.now.steps) > 0 && (len(e.now.steps) > maxSteps || e.now.count > maxChanges) {
		oldest := e.now.steps[0]
		e.now.base = step{revision: oldest.revision, digest: oldest.digest}
		e.now.count -= len(oldest.ids)
		e.now.steps = e.now.steps[1:]
	}
}
