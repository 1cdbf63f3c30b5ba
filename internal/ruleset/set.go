package ruleset

import (
	"errors"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Set is Rules at the receiving end of a stream.
type Set struct {
	*Rules
	sets [scopes]*delta.Set[Rule]
}

// NewSet returns a Set without rules and positions.
func NewSet(td spiffeid.TrustDomain) *Set {
	s := &Set{Rules: NewRules(td)}
	for scope := range s.sets {
		s.sets[scope] = delta.NewSet(delta.Config[Rule]{Key: func(r Rule) string { return r.Key }, Digest: Rule.Digest})
	}
	return s
}

// Position is what to send at the begin of a stream.
func (s *Set) Position(of Scope) delta.Position { return s.sets[of].Position() }

// Stream is called at the begin of each stream; see delta.Set.
func (s *Set) Stream() {
	for _, set := range s.sets {
		set.Stream()
	}
}

// Forget gives up the positions, so that any full update is taken next. The rules stay
// until then.
func (s *Set) Forget() {
	for _, set := range s.sets {
		set.Forget()
	}
}

// Clear gives up everything.
func (s *Set) Clear() {
	s.Rules.Clear()
	for _, set := range s.sets {
		set.Clear()
	}
}

// Taken is what a message did.
type Taken struct {
	// Changed says that a decision may be another one than before.
	Changed bool
	// Ask the controller for everything.
	Ask bool
	// Faults are rules that are not understood, joined.
	Faults error
}

// Take takes the next message that arrived. Errors: ErrMalformed, and those of
// delta.Set.Take.
func (s *Set) Take(m *zerotrustv1.RulesUpdate) (t Taken, err error) {
	in, h := Network, m.GetHeader()
	if m.GetShared() {
		in = Shared
	}
	upserts, err := ParseAll(m.GetUpserts())
	if err != nil {
		return t, err
	}
	set := s.sets[in]
	if h.GetFrom() == 0 && h.GetPart() == 1 && h.GetTimeline() != set.Position().Timeline {
		set.Forget()
	}
	r, err := set.Take(delta.Part[Rule]{
		Timeline: h.GetTimeline(), From: h.GetFrom(), To: h.GetTo(), Part: h.GetPart(), Parts: h.GetParts(), Digest: h.GetDigest(),
		Removals: m.GetRemovals(), Upserts: upserts,
	})
	for _, key := range r.Removed {
		s.Remove(in, key)
	}
	t = Taken{Ask: r.Outcome == delta.Ask, Changed: len(r.Removed) > 0 || len(r.Upserted) > 0 || r.Whole}
	if err != nil {
		return t, err
	}
	var faults []error
	if r.Whole {
		for key := range s.raw[in] {
			if _, ok := set.Get(key); !ok {
				s.Remove(in, key)
			}
		}
		for _, rule := range set.All() {
			faults = append(faults, s.Put(in, rule))
		}
	}
	for _, rule := range r.Upserted {
		faults = append(faults, s.Put(in, rule))
	}
	t.Faults = errors.Join(faults...)
	return t, nil
}

// Kept is what a Set keeps over a restart.
type Kept struct {
	Timeline uint64 `json:"timeline"`
	At       uint64 `json:"revision"`
	// Rules are encoded, as they were sent.
	Rules [][]byte `json:"rules"`
}

// Keep returns what to keep of a set.
func (s *Set) Keep(of Scope) Kept {
	at := s.Position(of)
	k := Kept{Timeline: at.Timeline, At: at.At}
	for _, r := range s.sets[of].All() {
		k.Rules = append(k.Rules, r.Raw)
	}
	return k
}

// Restore fills an empty set with what was kept. Errors: ErrMalformed.
func (s *Set) Restore(of Scope, k Kept) error {
	rules, err := ParseAll(k.Rules)
	if err != nil {
		return err
	}
	s.sets[of].Restore(k.Timeline, k.At, rules)
	for _, r := range rules {
		_ = s.Put(of, r) // said when it came
	}
	return nil
}
