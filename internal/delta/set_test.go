package delta_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
)

// entry is one of a set: a name, and the terms that it has.
type entry struct {
	name  string
	terms int64
}

type part = delta.Part[entry]

func newSet() *delta.Set[entry] {
	return delta.NewSet(delta.Config[entry]{
		Key: func(e entry) string { return e.name }, Digest: func(e entry) delta.Digest { return delta.Tunneler(e.name, "", e.terms) },
	})
}

func digest(names ...string) []byte {
	var d delta.Digest
	for _, n := range names {
		d = d.Add(delta.Tunneler(n, "", 0))
	}
	return d.Bytes()
}

func entries(names ...string) (out []entry) {
	for _, n := range names {
		out = append(out, entry{name: n})
	}
	return out
}

func names(s *delta.Set[entry]) string {
	var out []string
	for key := range s.All() {
		out = append(out, key)
	}
	slices.Sort(out)
	return strings.Join(out, "")
}

// whole is everything at a position, in one part.
func whole(to uint64, all ...string) part {
	return part{Timeline: 1, To: to, Part: 1, Parts: 1, Digest: digest(all...), Upserts: entries(all...)}
}

// at has taken everything at position 5: a and b.
func at5(t *testing.T) *delta.Set[entry] {
	t.Helper()
	s := newSet()
	take(t, s, whole(5, "a", "b"), delta.Applied, "ab")
	return s
}

func take(t *testing.T, s *delta.Set[entry], p part, want delta.Outcome, there string) {
	t.Helper()
	r, err := s.Take(p)
	require.NoError(t, err)
	require.Equal(t, want, r.Outcome)
	require.Equal(t, there, names(s))
}

func TestAChangeLeadsOn(t *testing.T) {
	t.Parallel()
	s := at5(t)
	take(t, s, part{Timeline: 1, From: 5, To: 7, Part: 1, Parts: 1, Digest: digest("b", "c"), Removals: []string{"a"}, Upserts: entries("c")}, delta.Applied, "bc")
	take(t, s, part{Timeline: 1, From: 7, To: 8, Part: 1, Parts: 1, Digest: digest("b", "c")}, delta.Applied, "bc")
	take(t, s, part{Timeline: 1, From: 8, To: 8, Part: 1, Parts: 1, Digest: digest("b", "c")}, delta.Applied, "bc")
	require.Equal(t, uint64(8), s.Position().At)
	require.Equal(t, digest("b", "c"), s.Position().Digest.Bytes())
	take(t, s, whole(9), delta.Applied, "")
}

// TestARemovalActsAtOnceAndAnAdditionWithTheLastPart, and not if a part is missing.
func TestARemovalActsAtOnceAndAnAdditionWithTheLastPart(t *testing.T) {
	t.Parallel()
	parts := []part{
		{Timeline: 1, From: 5, To: 6, Part: 1, Parts: 3, Removals: []string{"a"}},
		{Timeline: 1, From: 5, To: 6, Part: 2, Parts: 3, Upserts: entries("c")},
		{Timeline: 1, From: 5, To: 6, Part: 3, Parts: 3, Upserts: entries("d"), Digest: digest("b", "c", "d")},
	}
	s := at5(t)
	take(t, s, parts[0], delta.More, "b")
	require.Equal(t, digest("b"), s.Position().Digest.Bytes(), "the digest is of what is there")
	take(t, s, parts[1], delta.More, "b")
	take(t, s, parts[2], delta.Applied, "bcd")

	s = at5(t)
	take(t, s, parts[0], delta.More, "b")
	take(t, s, parts[2], delta.Ask, "b")
	take(t, s, parts[1], delta.Waiting, "b")
	take(t, s, parts[2], delta.Waiting, "b")
	take(t, s, whole(6, "b", "c", "d"), delta.Applied, "bcd")
}

// TestWhatDoesNotFitAsksForEverythingAndAddsNobody: what it takes away is gone all the
// same, and only one request is made.
func TestWhatDoesNotFitAsksForEverythingAndAddsNobody(t *testing.T) {
	t.Parallel()
	good := func() part {
		return part{Timeline: 1, From: 5, To: 6, Part: 1, Parts: 1, Digest: digest("b", "c"), Removals: []string{"a"}, Upserts: entries("c")}
	}
	for name, change := range map[string]func(*part){
		"a change from another position": func(p *part) { p.From = 4 },
		"a gap":                          func(p *part) { p.From, p.To = 6, 7 },
		"another timeline":               func(p *part) { p.Timeline = 2 },
		"a timeline of before":           func(p *part) { p.Timeline = 0 },
		"a part in the middle":           func(p *part) { p.Part, p.Parts = 2, 2 },
		"another digest":                 func(p *part) { p.Digest = digest("a", "b", "c") },
		"the digest of nobody":           func(p *part) { p.Digest = make([]byte, delta.Size) },
	} {
		s, p := at5(t), good()
		change(&p)
		r, err := s.Take(p)
		require.NoError(t, err, name)
		require.Equal(t, delta.Ask, r.Outcome, name)
		require.Equal(t, []string{"a"}, r.Removed, name)
		require.Empty(t, r.Upserted, name)
		require.Equal(t, "b", names(s), name)
		take(t, s, part{Timeline: 1, From: 8, To: 9, Part: 1, Parts: 1, Digest: digest("b", "c")}, delta.Waiting, "b")
		take(t, s, part{Timeline: 1, From: 9, To: 9, Part: 1, Parts: 1, Digest: digest("b", "c")}, delta.Ask, "b")
		take(t, s, whole(9, "b", "c"), delta.Applied, "bc")
	}
	s := at5(t)
	take(t, s, part{Timeline: 1, From: 5, To: 5, Part: 1, Parts: 1, Digest: digest("a")}, delta.Ask, "ab")
	s.Stream()
	take(t, s, part{Timeline: 1, From: 7, To: 8, Part: 1, Parts: 1, Digest: digest("a")}, delta.Ask, "ab")
}

func TestAPositionNeverGoesBack(t *testing.T) {
	t.Parallel()
	for _, timeline := range []uint64{0, 1, 2} {
		s := at5(t)
		p := whole(4, "a", "b", "c")
		p.Timeline = timeline
		_, err := s.Take(p)
		require.ErrorIs(t, err, delta.ErrOlder)
		require.Equal(t, "ab", names(s))
	}
	s := at5(t)
	take(t, s, part{Timeline: 1, From: 3, To: 4, Part: 1, Parts: 1, Digest: digest("b", "c"), Removals: []string{"a"}, Upserts: entries("c")}, delta.Stale, "ab")
	take(t, s, whole(5, "a"), delta.Applied, "a")
	s.Forget()
	require.Equal(t, "a", names(s))
	take(t, s, whole(1, "c"), delta.Applied, "c")
	s.Clear()
	require.Equal(t, delta.Position{}, s.Position())
	require.Empty(t, names(s))
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*part){
		"no position":           func(p *part) { p.From, p.To = 0, 0 },
		"backwards":             func(p *part) { p.From, p.To = 7, 6 },
		"part 0":                func(p *part) { p.Part = 0 },
		"part 2 of 1":           func(p *part) { p.Part = 2 },
		"too many parts":        func(p *part) { p.Part, p.Parts = 1, delta.MaxParts+1 },
		"a short digest":        func(p *part) { p.Digest = p.Digest[1:] },
		"no digest":             func(p *part) { p.Digest = nil },
		"an empty id":           func(p *part) { p.Upserts = entries("") },
		"a long id":             func(p *part) { p.Upserts = entries(strings.Repeat("a", delta.MaxKey+1)) },
		"an empty removal":      func(p *part) { p.Removals = []string{""} },
		"a long removal":        func(p *part) { p.Removals = []string{strings.Repeat("a", delta.MaxKey+1)} },
		"news without a change": func(p *part) { p.From = 6 },
	} {
		s := at5(t)
		p := part{Timeline: 1, From: 5, To: 6, Part: 1, Parts: 1, Digest: digest("a", "b", "c"), Upserts: entries("c")}
		change(&p)
		_, err := s.Take(p)
		require.ErrorIs(t, err, delta.ErrMalformed, name)
		require.Equal(t, "ab", names(s), name)
	}
	s := at5(t)
	p := whole(6, "c")
	p.Digest = digest("d")
	_, err := s.Take(p)
	require.ErrorIs(t, err, delta.ErrDigest, "to ask again would bring the same")
	require.Equal(t, "ab", names(s))
}

// TestCapOfEntries, of one update and of what many of them add up to.
func TestCapOfEntries(t *testing.T) {
	t.Parallel()
	s, some := newSet(), make([]string, delta.MaxMembers)
	for i := range some {
		some[i] = strconv.Itoa(i)
	}
	take(t, s, whole(1, some...), delta.Applied, names2(some))
	_, err := s.Take(part{Timeline: 1, From: 1, To: 2, Part: 1, Parts: 1, Digest: digest(), Upserts: entries("one more")})
	require.ErrorIs(t, err, delta.ErrMalformed)
	_, err = s.Take(whole(2, append(some, "one more")...))
	require.ErrorIs(t, err, delta.ErrMalformed)
	require.Equal(t, delta.MaxMembers, s.Len())
}

func names2(all []string) string { return strings.Join(slices.Sorted(slices.Values(all)), "") }

func TestDigest(t *testing.T) {
	t.Parallel()
	one, two := delta.Tunneler("a", "", 1), delta.Tunneler("b", "", 1)
	require.Equal(t, one.Add(two), two.Add(one))
	require.Equal(t, one, one.Add(two).Sub(two))
	back, ok := delta.ParseDigest(one.Sub(two).Bytes())
	require.True(t, ok)
	require.Equal(t, one, back.Add(two))
	different := map[delta.Digest]string{}
	for name, d := range map[string]delta.Digest{
		"a tunneler": one, "its other time": delta.Tunneler("a", "", 2), "its other host": delta.Tunneler("a", "b", 1), "one that runs into its host": delta.Tunneler("ab", "", 1), "a connector": delta.Connector("a", "", "", "", 1, nil),
		"texts that run together": delta.Connector("", "a", "", "", 1, nil), "an address": delta.Connector("a", "", "", "", 1, []string{""}),
		"two addresses": delta.Connector("a", "", "", "", 1, []string{"b", "c"}), "one that looks like two": delta.Connector("a", "", "", "", 1, []string{"bc"}),
		"a network": delta.Connector("a", "", "", "n", 1, nil), "a host": delta.Connector("a", "", "n", "", 1, nil),
	} {
		require.Empty(t, different[d], name)
		different[d] = name
	}
	for _, n := range []int{0, 31, 33} {
		_, ok := delta.ParseDigest(make([]byte, n))
		require.False(t, ok)
	}
}

// FuzzTake: no two messages of a controller make a Set hold somebody whom no complete
// update named, or hold what its digest does not say.
func FuzzTake(f *testing.F) {
	f.Add(uint64(1), uint64(5), uint64(6), uint32(1), uint32(1), digest("b", "c"), "a", "c", false)
	f.Add(uint64(1), uint64(0), uint64(6), uint32(1), uint32(2), []byte{}, "a", "c", true)
	f.Add(uint64(2), uint64(0), uint64(9), uint32(1), uint32(1), digest("c"), "", "c", true)
	f.Fuzz(func(t *testing.T, timeline, from, to uint64, n, of uint32, sum []byte, removal, upsert string, again bool) {
		s := at5(t)
		p := part{Timeline: timeline, From: from, To: to, Part: n, Parts: of, Digest: sum, Upserts: entries(upsert)}
		if removal != "" {
			p.Removals = []string{removal}
		}
		all := []part{p}
		if again {
			p.Part++
			all = append(all, p)
		}
		for _, p := range all {
			before, there := s.Position(), map[string]bool{}
			for key := range s.All() {
				there[key] = true
			}
			r, err := s.Take(p)
			require.True(t, err == nil || r.Outcome == delta.More)
			var d delta.Digest
			for _, e := range maps.Collect(s.All()) {
				d = d.Add(delta.Tunneler(e.name, "", e.terms))
			}
			require.Equal(t, d, s.Position().Digest)
			require.GreaterOrEqual(t, s.Position().At, before.At)
			if err == nil && r.Outcome == delta.Applied {
				require.Equal(t, sum, d.Bytes())
				require.Equal(t, to, s.Position().At)
				continue
			}
			require.Equal(t, before.At, s.Position().At)
			for key := range s.All() {
				require.True(t, there[key], "%q was added", key)
			}
		}
	})
}
