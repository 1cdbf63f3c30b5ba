package delta

import "fmt"

// Outcome is what became of a part.
type Outcome int

const (
	// More parts belong to the update.
	More Outcome = iota
	// Applied means that the set is what the sender says it is.
	Applied
	// Ask the sender for everything: the part does not fit to what is there.
	Ask
	// Waiting for everything, which was asked for before.
	Waiting
	// Stale is a part of before what is applied, and passed over.
	Stale
)

// Result is what a part did to a Set.
type Result[E any] struct {
	Outcome Outcome
	// Removed are keys that are not in the set any more. They may be there with any
	// Outcome.
	Removed []string
	// Upserted are the entries that an Applied update added or changed; with Whole it
	// replaced everything, and they are not listed.
	Upserted []E
	Whole    bool
}

// Take takes the next part that arrived.
func (s *Set[E]) Take(p Part[E]) (Result[E], error) {
	if err := s.check(p); err != nil {
		s.begun = nil
		return Result[E]{}, err
	}
	switch {
	case p.From == 0 && p.To < s.at.At:
		s.begun = nil
		return Result[E]{}, fmt.Errorf("%w: position %d, applied is %d", ErrOlder, p.To, s.at.At)
	case p.From > 0 && p.Timeline == s.at.Timeline && p.To < s.at.At:
		return Result[E]{Outcome: Stale}, nil
	}
	r := Result[E]{Removed: s.remove(p.Removals)}
	if !s.continues(p) {
		s.begun = nil
		r.Outcome = s.ask(p)
		return r, nil
	}
	for _, e := range p.Upserts {
		s.begun.staged[s.cfg.Key(e)] = e
	}
	if len(s.begun.staged) > MaxMembers {
		s.begun = nil
		return r, fmt.Errorf("%w: more than %d entries", ErrMalformed, MaxMembers)
	}
	if p.Part < p.Parts {
		s.begun.next++
		return r, nil
	}
	return s.finish(p, r)
}

// check is for what no sender of ours says.
func (s *Set[E]) check(p Part[E]) error {
	switch {
	case p.To == 0 || p.From > p.To:
		return fmt.Errorf("%w: from position %d to %d", ErrMalformed, p.From, p.To)
	case p.Part == 0 || p.Part > p.Parts || p.Parts > MaxParts:
		return fmt.Errorf("%w: part %d of %d", ErrMalformed, p.Part, p.Parts)
	case p.Part == p.Parts && len(p.Digest) != Size:
		return fmt.Errorf("%w: no digest in the last part", ErrMalformed)
	case p.From == p.To && (len(p.Upserts) > 0 || len(p.Removals) > 0):
		return fmt.Errorf("%w: changes without a new position", ErrMalformed)
	}
	for _, e := range p.Upserts {
		if n := len(s.cfg.Key(e)); n == 0 || n > MaxKey {
			return fmt.Errorf("%w: an id of %d bytes", ErrMalformed, n)
		}
	}
	for _, key := range p.Removals {
		if n := len(key); n == 0 || n > MaxKey {
			return fmt.Errorf("%w: an id of %d bytes", ErrMalformed, n)
		}
	}
	return nil
}

// remove acts at once, whatever becomes of the update.
func (s *Set[E]) remove(keys []string) (gone []string) {
	for _, key := range keys {
		if old, ok := s.members[key]; ok {
			s.at.Digest = s.at.Digest.Sub(s.cfg.Digest(old))
			delete(s.members, key)
			gone = append(gone, key)
		}
	}
	return gone
}

// continues says whether p is the first part of an update that fits to what is there,
// or the next one of the update that has begun.
func (s *Set[E]) continues(p Part[E]) bool {
	if p.Part > 1 {
		b := s.begun
		return b != nil && b.next == p.Part && b.first.Timeline == p.Timeline && b.first.From == p.From && b.first.To == p.To && b.first.Parts == p.Parts
	}
	if p.From > 0 && (p.From != s.at.At || p.Timeline != s.at.Timeline) {
		return false
	}
	first := p
	first.Upserts, first.Removals, first.Digest = nil, nil, nil
	s.begun = &update[E]{first: first, next: 1, staged: map[string]E{}}
	return true
}

// ask asks once. A sender that says what we should have, and does not send it, has not
// received.
func (s *Set[E]) ask(p Part[E]) Outcome {
	if s.asked && p.From != p.To {
		return Waiting
	}
	s.asked = true
	return Ask
}

// finish applies a complete update if the result is what the sender has.
func (s *Set[E]) finish(p Part[E], r Result[E]) (Result[E], error) {
	staged, whole := s.begun.staged, p.From == 0
	s.begun = nil
	want, _ := ParseDigest(p.Digest)
	got, size := s.at.Digest, len(s.members)
	if whole {
		got, size = Digest{}, 0
	}
	for key, e := range staged {
		old, ok := s.members[key]
		if ok && !whole {
			got = got.Sub(s.cfg.Digest(old))
		} else {
			size++
		}
		got = got.Add(s.cfg.Digest(e))
	}
	switch {
	case size > MaxMembers:
		return r, fmt.Errorf("%w: more than %d entries", ErrMalformed, MaxMembers)
	case got != want && whole:
		return r, ErrDigest
	case got != want:
		r.Outcome = s.ask(p)
		return r, nil
	}
	if whole {
		s.members = staged
	} else {
		for key, e := range staged {
			s.members[key] = e
			r.Upserted = append(r.Upserted, e)
		}
	}
	s.at, s.asked = Position{Timeline: p.Timeline, At: p.To, Digest: got}, false
	r.Outcome, r.Whole = Applied, whole
	return r, nil
}
