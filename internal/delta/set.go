package delta

import (
	"errors"
	"iter"
	"maps"
)

// Caps of a Set: what a sender can make its receiver hold. The largest fleet that is
// tested has 50,000 members.
const (
	// MaxMembers is how many entries a set may have.
	MaxMembers = 1 << 18
	// MaxParts is how many messages one update may have.
	MaxParts = 1 << 11
	// MaxKey is the longest key of an entry.
	MaxKey = 512
)

// Why an update cannot be taken. The sender is broken, or is not the one that we
// followed; to ask for everything would bring the same again.
var (
	ErrMalformed = errors.New("malformed update")
	ErrDigest    = errors.New("the whole set does not have the digest that the update says")
	ErrOlder     = errors.New("the update is older than what is applied")
)

// Part is one message of an update.
type Part[E any] struct {
	// Timeline is which life of the controller the positions are of.
	Timeline uint64
	// From and To are positions in its change log. From 0 is everything; From To is
	// nothing new, and only says what the set is like.
	From, To uint64
	// Part counts from 1 to Parts.
	Part, Parts uint32
	// Digest is of the whole set after the last part; only that one needs it.
	Digest   []byte
	Removals []string // keys
	Upserts  []E
}

// Position is what a Set has: all up to At, of a timeline. The digest is that of what is
// there, also in the middle of an update.
type Position struct {
	Timeline, At uint64
	Digest       Digest
}

// Config says what entries are.
type Config[E any] struct {
	Key    func(E) string
	Digest func(E) Digest
}

// Set is the receiving end.
type Set[E any] struct {
	cfg     Config[E]
	at      Position
	members map[string]E
	begun   *update[E]
	asked   bool // for everything, which has not come yet
}

// update is one that has begun.
type update[E any] struct {
	first  Part[E] // without its entries
	next   uint32
	staged map[string]E
}

// NewSet returns an empty Set that has no position.
func NewSet[E any](cfg Config[E]) *Set[E] {
	return &Set[E]{cfg: cfg, members: map[string]E{}}
}

// Restore fills an empty Set with what was kept.
func (s *Set[E]) Restore(timeline, at uint64, entries []E) {
	s.at = Position{Timeline: timeline, At: at}
	for _, e := range entries {
		key := s.cfg.Key(e)
		if old, ok := s.members[key]; ok {
			s.at.Digest = s.at.Digest.Sub(s.cfg.Digest(old))
		}
		s.members[key], s.at.Digest = e, s.at.Digest.Add(s.cfg.Digest(e))
	}
}

// Position is what to send at the begin of a stream.
func (s *Set[E]) Position() Position { return s.at }

// Complete says that the set is what the sender said last: no part is to come, and everything was
// not asked for.
func (s *Set[E]) Complete() bool { return s.begun == nil && !s.asked }

// Len is the number of entries.
func (s *Set[E]) Len() int { return len(s.members) }

// Get returns an entry.
func (s *Set[E]) Get(key string) (E, bool) {
	e, ok := s.members[key]
	return e, ok
}

// All are the entries in no order.
func (s *Set[E]) All() iter.Seq2[string, E] { return maps.All(s.members) }

// Stream is called at the begin of each stream: what the last one left unfinished does
// not continue.
func (s *Set[E]) Stream() { s.begun, s.asked = nil, false }

// Forget gives up the position, so that any full update is taken next. The entries
// stay until then.
func (s *Set[E]) Forget() { s.at.Timeline, s.at.At, s.begun = 0, 0, nil }

// Clear gives up everything.
func (s *Set[E]) Clear() { s.at, s.begun, s.members = Position{}, nil, map[string]E{} }
