package ruleset

import (
	"errors"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Set is Rules at the receiving end of a stream. What arrives counts from Commit on, of both sets
// at once: a label that passes from one tunneler to another in the one set, while a grant of it
// ends in the other, would else allow for a moment what is allowed neither before nor after.
type Set struct {
	*Rules
	sets [scopes]*delta.Set[Rule]
	news [scopes]map[string]struct{} // keys that arrived since the last Commit
	at   [scopes]Kept                // the positions of the Rules
}

// NewSet returns a Set without rules and positions.
func NewSet(td spiffeid.TrustDomain) *Set {
	s := &Set{Rules: NewRules(td)}
	for scope := range s.sets {
		s.sets[scope] = delta.NewSet(delta.Config[Rule]{Key: func(r Rule) string { return r.Key }, Digest: Rule.Digest})
		s.news[scope] = map[string]struct{}{}
	}
	return s
}

// Position is what to send at the begin of a stream: of what arrived.
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
	for scope, set := range s.sets {
		set.Forget()
		s.at[scope] = Kept{}
	}
}

// Clear gives up everything.
func (s *Set) Clear() {
	s.Rules.Clear()
	for scope, set := range s.sets {
		set.Clear()
		clear(s.news[scope])
		s.at[scope] = Kept{}
	}
}

// Taken is what a message or a Commit did.
type Taken struct {
	// Changed says that a decision may be another one than before.
	Changed bool
	// Ask the controller for everything.
	Ask bool
	// Faults are rules that are not understood, joined.
	Faults error
}

// Take takes the next message that arrived. It changes no decision, unless the message does not
// fit: then what it removes is denied at once. Errors: ErrMalformed, and those of delta.Set.Take.
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
		s.news[in][key] = struct{}{}
	}
	for _, rule := range r.Upserted {
		s.news[in][rule.Key] = struct{}{}
	}
	if r.Whole {
		for key := range s.raw[in] {
			s.news[in][key] = struct{}{}
		}
		for key := range set.All() {
			s.news[in][key] = struct{}{}
		}
	}
	t.Ask = r.Outcome == delta.Ask
	if err != nil || t.Ask || r.Outcome == delta.Waiting {
		t.Changed = s.Deny()
	}
	return t, err
}

// Commit has all that arrived count, unless some of it is still to come.
func (s *Set) Commit() (t Taken) {
	for _, set := range s.sets {
		if !set.Complete() {
			return t
		}
	}
	for scope := range s.sets { // what has moved to the other set counts there
		for key := range s.news[scope] {
			t.Changed = true
			if _, ok := s.sets[scope].Get(key); !ok {
				s.Remove(Scope(scope), key)
			}
		}
	}
	var faults []error
	for scope, set := range s.sets {
		for key := range s.news[scope] {
			if rule, ok := set.Get(key); ok {
				faults = append(faults, s.Put(Scope(scope), rule))
			}
		}
		clear(s.news[scope])
		at := set.Position()
		s.at[scope] = Kept{Timeline: at.Timeline, At: at.At}
	}
	t.Faults = errors.Join(faults...)
	return t
}

// Deny has the removals count that arrived, for when the rest of the change may be late. A
// resource that is removed still guards what it covers, and nobody reaches it.
func (s *Set) Deny() (changed bool) {
	for scope, set := range s.sets {
		for key := range s.news[scope] {
			if _, ok := set.Get(key); !ok && s.deny(Scope(scope), key) {
				changed = true
			}
		}
	}
	return changed
}

// Kept is what a Set keeps over a restart.
type Kept struct {
	Timeline uint64 `json:"timeline"`
	At       uint64 `json:"revision"`
	// Rules are encoded, as they were sent.
	Rules [][]byte `json:"rules"`
}

// Keep returns what to keep of a set: what counts.
func (s *Set) Keep(of Scope) Kept {
	k := s.at[of]
	for _, raw := range s.raw[of] {
		k.Rules = append(k.Rules, raw)
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
	s.at[of] = Kept{Timeline: k.Timeline, At: k.At}
	for _, r := range rules {
		_ = s.Put(of, r) // said when it came
	}
	return nil
}
