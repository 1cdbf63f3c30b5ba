package session_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

var begin = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func none(time.Duration) time.Duration { return 0 }

func fleet(network string, n int) (out []session.Candidate) {
	for i := range n {
		out = append(out, session.Candidate{ID: fmt.Sprintf("%s-%02d", network, i), Network: network, Dialable: true})
	}
	return out
}

func ids(choices []session.Choice) (out []string) {
	for _, c := range choices {
		out = append(out, c.ID)
	}
	return out
}

func up(choices []session.Choice, latency time.Duration) map[string]session.Link {
	out := map[string]session.Link{}
	for _, c := range choices {
		out[c.ID] = session.Link{State: session.Up, Latency: latency}
	}
	return out
}

var dead = session.Link{State: session.Down, Why: "connection refused"}

// settled has 5 connectors of one network, and sessions with two.
func settled(candidates ...session.Candidate) (*session.Mesh, []session.Choice) {
	m := session.NewMesh("laptop", none)
	if candidates == nil {
		candidates = fleet("plant", 5)
	}
	m.Set(begin, candidates)
	chosen := m.Decide(begin, nil)
	chosen = m.Decide(begin, up(chosen, 50*time.Millisecond))
	return m, chosen
}

func other(m *session.Mesh, now time.Time) string {
	id, _ := m.NextProbe(now)
	return id
}

func TestDecide(t *testing.T) {
	t.Parallel()
	t.Run("chooses two of each network, and all of a small one", func(t *testing.T) {
		t.Parallel()
		_, got := settled(append(fleet("a", 3), append(fleet("b", 2), fleet("c", 1)...)...)...)
		require.Len(t, got, 5)
		require.Equal(t, []string{"b-00", "b-01"}, []string{min(got[2].ID, got[3].ID), max(got[2].ID, got[3].ID)})
		require.Equal(t, "c-00", got[4].ID)
		require.Equal(t, "the network has no other connector", got[4].Why)
	})
	t.Run("does not depend on the order of the directory", func(t *testing.T) {
		t.Parallel()
		f := fleet("plant", 5)
		_, a := settled(f...)
		_, b := settled(f[4], f[2], f[0], f[1], f[3])
		require.ElementsMatch(t, a, b)
	})
	t.Run("replaces one that is down at once, and says why", func(t *testing.T) {
		t.Parallel()
		m, was := settled()
		links := up(was, 50*time.Millisecond)
		links[was[0].ID] = dead
		got := m.Decide(begin.Add(time.Second), links)
		require.Len(t, got, 2)
		require.NotContains(t, ids(got), was[0].ID)
		require.Contains(t, ids(got), was[1].ID)
		require.Equal(t, "in place of "+was[0].ID+", which is down: connection refused", got[1].Why)
	})
	t.Run("replaces both at once", func(t *testing.T) {
		t.Parallel()
		m, was := settled()
		got := m.Decide(begin.Add(time.Second), map[string]session.Link{was[0].ID: dead, was[1].ID: dead})
		for _, w := range was {
			require.NotContains(t, ids(got), w.ID)
		}
	})
	t.Run("keeps one that is down if there is no other", func(t *testing.T) {
		t.Parallel()
		m, was := settled(fleet("plant", 2)...)
		got := m.Decide(begin.Add(time.Hour), map[string]session.Link{was[0].ID: dead, was[1].ID: dead})
		require.Equal(t, was, got)
	})
	t.Run("does not return to one that went down while another works", func(t *testing.T) {
		t.Parallel()
		m, was := settled(fleet("plant", 3)...)
		links := up(was, time.Millisecond)
		links[was[0].ID] = dead
		now := begin.Add(time.Second)
		moved := m.Decide(now, links)
		links = up(moved, time.Millisecond)
		links[moved[1].ID] = dead
		require.Equal(t, moved, m.Decide(now.Add(time.Second), links), "the first one died a second ago")
		require.Contains(t, ids(m.Decide(now.Add(2*time.Minute), links)), was[0].ID)
	})
	t.Run("returns to it at once when none works", func(t *testing.T) {
		t.Parallel()
		m, was := settled(fleet("plant", 3)...)
		links := up(was, time.Millisecond)
		links[was[0].ID] = dead
		moved := m.Decide(begin.Add(time.Second), links)
		m.Decide(begin.Add(2*time.Second), up(moved, time.Millisecond))
		got := m.Decide(begin.Add(3*time.Second), map[string]session.Link{moved[0].ID: dead, moved[1].ID: dead})
		require.Contains(t, ids(got), was[0].ID)
	})
	t.Run("tries those that went down again when none works, ever more slowly", func(t *testing.T) {
		t.Parallel()
		m, chosen := settled(fleet("plant", 6)...)
		moves := 0
		for now := begin; now.Before(begin.Add(time.Hour)); now = now.Add(250 * time.Millisecond) {
			links := map[string]session.Link{}
			for _, c := range chosen {
				links[c.ID] = dead
			}
			next := m.Decide(now, links)
			for _, c := range next {
				if _, was := links[c.ID]; !was {
					moves++
				}
			}
			chosen = next
		}
		require.Greater(t, moves, 60)
		require.Less(t, moves, 150)
	})
	t.Run("prefers one that lists an address", func(t *testing.T) {
		t.Parallel()
		f := fleet("plant", 4)
		_, was := settled(f...)
		for i := range f {
			f[i].Dialable = f[i].ID != was[0].ID && f[i].ID != was[1].ID
		}
		_, got := settled(f...)
		require.NotContains(t, ids(got), was[0].ID)
		require.NotContains(t, ids(got), was[1].ID)
	})
	t.Run("uses the one that CONNECTOR_ADDR leads to, until it is down", func(t *testing.T) {
		t.Parallel()
		m, was := settled()
		pinned := other(m, begin)
		require.True(t, m.Pin(pinned))
		require.False(t, m.Pin("stranger"))
		got := m.Decide(begin, up(was, 50*time.Millisecond))
		require.Len(t, got, 2)
		require.Contains(t, got, session.Choice{ID: pinned, Network: "plant", Why: "CONNECTOR_ADDR leads to it"})
		links := up(got, time.Millisecond)
		links[pinned] = dead
		require.NotContains(t, ids(m.Decide(begin.Add(time.Second), links)), pinned)
	})
	t.Run("forgets who left the directory", func(t *testing.T) {
		t.Parallel()
		m, was := settled()
		f := fleet("plant", 5)
		for i := range f {
			if f[i].ID == was[0].ID {
				f = append(f[:i], f[i+1:]...)
				break
			}
		}
		m.Set(begin, f)
		got := m.Decide(begin, up(was, time.Millisecond))
		require.Len(t, got, 2)
		require.NotContains(t, ids(got), was[0].ID)
		require.Contains(t, ids(got), was[1].ID)
		m.Set(begin, nil)
		require.Empty(t, m.Decide(begin, nil))
		require.Empty(t, other(m, begin))
	})
}

// TestMove: only a clear gain, found again and again, is worth a move.
func TestMove(t *testing.T) {
	t.Parallel()
	late := begin.Add(2 * session.MoveEvery)
	for name, c := range map[string]struct {
		found []time.Duration
		at    time.Time
		moves bool
	}{
		"three times clearly faster": {[]time.Duration{30e6, 30e6, 30e6}, late, true},
		"too soon":                   {[]time.Duration{30e6, 30e6, 30e6}, begin.Add(session.MoveEvery - 1), false},
		"twice":                      {[]time.Duration{30e6, 30e6}, late, false},
		"three times with a slow one between them": {[]time.Duration{30e6, 30e6, 60e6, 30e6}, late, false},
		"by less than 30 %":                        {[]time.Duration{36e6, 36e6, 36e6}, late, false},
		"not measured":                             {nil, late, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, was := settled()
			fast := other(m, begin)
			for _, d := range c.found {
				m.Measured(fast, d)
			}
			got := m.Decide(c.at, up(was, 50*time.Millisecond))
			require.Len(t, got, 2)
			require.Equal(t, c.moves, strings.Contains(strings.Join(ids(got), " "), fast))
			if c.moves {
				require.Contains(t, got[1].Why, "it answers in 30ms, not 50ms")
			}
		})
	}
	t.Run("by less than 10 ms", func(t *testing.T) {
		t.Parallel()
		m, was := settled()
		m.Decide(begin, up(was, 12*time.Millisecond))
		fast := other(m, begin)
		for range 5 {
			m.Measured(fast, 3*time.Millisecond)
		}
		require.Equal(t, was, m.Decide(late, up(was, 12*time.Millisecond)))
	})
	t.Run("not to one that stopped answering", func(t *testing.T) {
		t.Parallel()
		m, was := settled()
		fast := other(m, begin)
		for range 5 {
			m.Measured(fast, 3*time.Millisecond)
		}
		m.Unreachable(late, fast)
		require.Equal(t, was, m.Decide(late, up(was, 50*time.Millisecond)))
	})
}

// TestAConnectorThatWorksAgainGetsItsSessionsBack: slowly, and not for a worse latency.
func TestAConnectorThatWorksAgainGetsItsSessionsBack(t *testing.T) {
	t.Parallel()
	const answers = 3
	for name, c := range map[string]struct {
		answers     int
		back        time.Duration // its latency
		after       time.Duration // the third answer
		unreachable bool          // at the end
		pinned      bool          // the one in its place
		returns     bool
	}{
		"some minutes after its third answer": {answers: answers, back: 50e6, after: session.MoveEvery, returns: true},
		"not sooner":                          {answers: answers, back: 50e6, after: session.MoveEvery - 1},
		"not after two answers":               {answers: answers - 1, back: 50e6, after: time.Hour},
		"not without an answer":               {after: time.Hour},
		"also if it is a little slower":       {answers: answers, back: 60e6, after: session.MoveEvery, returns: true},
		"not if it is clearly slower":         {answers: answers, back: 90e6, after: time.Hour},
		"not if it stopped to answer":         {answers: answers, back: 50e6, after: time.Hour, unreachable: true},
		"not in place of CONNECTOR_ADDR's":    {answers: answers, back: 50e6, after: time.Hour, pinned: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, was := settled()
			home := was[0].ID
			links := up(was, 50*time.Millisecond)
			links[home] = dead
			now := begin.Add(time.Second)
			moved := m.Decide(now, links)
			require.NotContains(t, ids(moved), home)
			if c.pinned {
				require.True(t, m.Pin(moved[1].ID))
			}
			now = now.Add(time.Hour)
			for range c.answers {
				now = now.Add(session.ProbeAgain)
				require.Equal(t, home, other(m, now), "it is asked before others")
				m.Measured(home, c.back)
			}
			require.Equal(t, moved, m.Decide(now, up(moved, 50*time.Millisecond)), "not at once")
			if c.unreachable {
				m.Unreachable(now, home)
			}
			now = now.Add(c.after)
			got := m.Decide(now, up(moved, 50*time.Millisecond))
			require.Len(t, got, 2)
			require.Equal(t, c.returns, strings.Contains(strings.Join(ids(got), " "), home), "%v", got)
			if c.returns {
				require.ElementsMatch(t, ids(was), ids(got))
				require.Equal(t, "the hash of both ids selects it, and it works again ("+moved[1].ID+" was used meanwhile)", got[1].Why)
				require.Equal(t, got, m.Decide(now.Add(time.Hour), up(got, 50*time.Millisecond)), "and it stays")
			}
		})
	}
}

// TestAFleetDoesNotReturnAtOnce: the connector that all had left has them back within a
// quarter of an hour, and not more than a few in the same second.
func TestAFleetDoesNotReturnAtOnce(t *testing.T) {
	t.Parallel()
	const tunnelers, window = 300, 15 * time.Minute
	returned := map[time.Duration]int{}
	for i := range tunnelers {
		m := session.NewMesh(fmt.Sprintf("t-%d", i), func(d time.Duration) time.Duration { return time.Duration(i) * d / tunnelers })
		m.Set(begin, fleet("plant", 3))
		was := m.Decide(begin, nil)
		links := up(was, time.Millisecond)
		links[was[0].ID] = dead
		got := m.Decide(begin, links)
		for at := time.Hour; at < time.Hour+window; at += time.Second {
			if id := other(m, begin.Add(at)); id != "" {
				m.Measured(id, time.Millisecond)
			}
			if got = m.Decide(begin.Add(at), up(got, time.Millisecond)); strings.Contains(strings.Join(ids(got), " "), was[0].ID) {
				returned[at]++
				break
			}
		}
	}
	all := 0
	for at, n := range returned {
		all += n
		require.LessOrEqual(t, n, 5, at)
	}
	require.Equal(t, tunnelers, all)
}

// TestTunnelersSpread: the first choice is not the same for all.
func TestTunnelersSpread(t *testing.T) {
	t.Parallel()
	const tunnelers, connectors = 3000, 10
	load := map[string]int{}
	for i := range tunnelers {
		m := session.NewMesh(fmt.Sprintf("t-%d", i), none)
		m.Set(begin, fleet("plant", connectors))
		for _, c := range m.Decide(begin, nil) {
			load[c.ID]++
		}
	}
	require.Len(t, load, connectors)
	for id, n := range load {
		require.InDelta(t, 2*tunnelers/connectors, n, tunnelers*2/connectors/5, id)
	}
}

// TestProbesAreRare: each connector once a minute at most, and whoever looks good first.
func TestProbesAreRare(t *testing.T) {
	t.Parallel()
	for _, size := range []int{3, 5, 1000} {
		m, was := settled(fleet("plant", size)...)
		last := map[string]time.Time{}
		for now := begin; now.Before(begin.Add(time.Hour)); now = now.Add(time.Second) {
			id := other(m, now)
			if id == "" {
				continue
			}
			require.NotContains(t, ids(was), id, "it has a session")
			if at, ok := last[id]; ok {
				require.GreaterOrEqual(t, now.Sub(at), session.ProbeAgain)
			}
			last[id] = now
		}
		require.Len(t, last, size-session.PerNetwork)
	}

	m, _ := settled()
	good := other(m, begin)
	other(m, begin)
	m.Measured(good, time.Millisecond)
	require.Equal(t, good, other(m, begin.Add(session.ProbeAgain)), "it is measured again before the others")

	m, _ = settled(fleet("plant", 2)...)
	require.Empty(t, other(m, begin), "there is no choice to make")
}

// TestAnyCourseOfEvents: whatever happens, at most two of each network are used, those
// that work are not left more often than the limit allows, and one that is dead is left
// as long as another may work.
func TestAnyCourseOfEvents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		jitter := func(d time.Duration) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(d)).Draw(t, "jitter"))
		}
		m := session.NewMesh(rapid.StringN(0, 8, -1).Draw(t, "self"), jitter)
		all := append(fleet("a", rapid.IntRange(1, 6).Draw(t, "a")), fleet("b", rapid.IntRange(0, 4).Draw(t, "b"))...)
		gone := map[string]bool{} // connectors that are dead
		now := begin
		m.Set(now, all)
		chosen := m.Decide(now, nil)
		moved := map[string]time.Time{"a": begin, "b": begin}
		quiet := map[string]time.Time{} // since when nobody of a network changed its state
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(int64(250*time.Millisecond), int64(20*time.Second)).Draw(t, "passes")))
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				c := rapid.SampledFrom(all).Draw(t, "changes")
				gone[c.ID] = !gone[c.ID]
				quiet[c.Network] = now
			case 1:
				if id, ok := m.NextProbe(now); ok && gone[id] {
					m.Unreachable(now, id)
				} else if ok {
					m.Measured(id, time.Duration(rapid.Int64Range(1, int64(200*time.Millisecond)).Draw(t, "latency")))
				}
			case 2:
				m.Set(now, all) // the same again changes nothing
			}
			links, works := map[string]session.Link{}, map[string]int{}
			for _, c := range chosen {
				links[c.ID] = dead
				if !gone[c.ID] {
					links[c.ID] = session.Link{State: session.Up, Latency: time.Duration(rapid.Int64Range(1, int64(200*time.Millisecond)).Draw(t, "latency"))}
					works[c.Network]++
				}
			}
			next := m.Decide(now, links)
			checkStep(t, step{all, gone, chosen, next, now, moved})
			chosen = next
		}
		checkHeals(t, m, all, gone, chosen, now)
	})
}

type step struct {
	all          []session.Candidate
	gone         map[string]bool
	before, next []session.Choice
	now          time.Time
	moved        map[string]time.Time
}

func checkStep(t *rapid.T, s step) {
	per, is := map[string]int{}, map[string]bool{}
	for _, c := range s.next {
		if is[c.ID] || c.Why == "" {
			t.Fatalf("%v", s.next)
		}
		is[c.ID] = true
		per[c.Network]++
	}
	size := map[string]int{}
	for _, c := range s.all {
		size[c.Network]++
	}
	for network, n := range size {
		if per[network] != min(n, session.PerNetwork) {
			t.Fatalf("%d of network %s are used, which has %d", per[network], network, n)
		}
	}
	for _, c := range s.before {
		if is[c.ID] || s.gone[c.ID] {
			continue
		}
		if s.now.Sub(s.moved[c.Network]) < session.MoveEvery {
			t.Fatalf("%s works and was left %s after the last move", c.ID, s.now.Sub(s.moved[c.Network]))
		}
		s.moved[c.Network] = s.now
	}
}

// checkHeals: when nothing changes any more, each network that has a live connector has
// a session within ten minutes.
func checkHeals(t *rapid.T, m *session.Mesh, all []session.Candidate, gone map[string]bool, chosen []session.Choice, now time.Time) {
	alive := map[string]int{}
	for _, c := range all {
		if !gone[c.ID] {
			alive[c.Network]++
		}
	}
	for end := now.Add(10 * time.Minute); now.Before(end); now = now.Add(250 * time.Millisecond) {
		links := map[string]session.Link{}
		for _, c := range chosen {
			links[c.ID] = dead
			if !gone[c.ID] {
				links[c.ID] = session.Link{State: session.Up, Latency: time.Millisecond}
			}
		}
		chosen = m.Decide(now, links)
	}
	works := map[string]int{}
	for _, c := range chosen {
		if !gone[c.ID] {
			works[c.Network]++
		}
	}
	for network, n := range alive {
		if works[network] < min(n, session.PerNetwork) {
			t.Fatalf("network %s has %d connectors that work, and %d are used", network, n, works[network])
		}
	}
}
