package presence_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

var someQuantiles = []float64{0.5, 0.9, 0.99, 1}

// naiveRoster is all that was ever said, and counts it from the beginning each time.
type naiveRoster struct {
	clock    *hosttest.Clock
	began    time.Time
	streams  map[string]uint64 // of connectors that have one
	heard    map[string]time.Time
	revision map[string]uint64
	process  map[string]string
	sessions map[[2]string]time.Time // by tunneler and connector
	newest   map[string]time.Time    // report of a tunneler
}

func (n *naiveRoster) lives(at time.Time) bool {
	return n.clock.Now().Sub(at) <= presence.OfflineAfter
}

func (n *naiveRoster) agesOf(online map[string]time.Time) presence.Ages {
	var all []time.Duration
	out := presence.Ages{Online: len(online)}
	for _, at := range online {
		all = append(all, n.clock.Now().Sub(n.began)-at.Sub(n.began).Truncate(100*time.Millisecond))
		out.Sum += n.clock.Now().Sub(at)
	}
	slices.Sort(all)
	for _, q := range someQuantiles {
		if len(all) > 0 {
			out.At = append(out.At, all[int(math.Ceil(q*float64(len(all))))-1])
		}
	}
	return out
}

func (n *naiveRoster) online() (connectors, tunnelers map[string]time.Time, sessions int) {
	connectors, tunnelers = map[string]time.Time{}, map[string]time.Time{}
	for id := range n.streams {
		if n.lives(n.heard[id]) {
			connectors[id] = n.heard[id]
		}
	}
	for pair, at := range n.sessions {
		if n.lives(at) {
			tunnelers[pair[0]] = n.newest[pair[0]]
			sessions++
		}
	}
	return connectors, tunnelers, sessions
}

func (n *naiveRoster) headcount() presence.Headcount {
	connectors, tunnelers, sessions := n.online()
	out := presence.Headcount{Connectors: n.agesOf(connectors), Tunnelers: n.agesOf(tunnelers), Sessions: sessions}
	for id := range connectors {
		if rev := n.revision[id]; rev > 0 && (out.OldestPolicy == 0 || rev < out.OldestPolicy) {
			out.OldestPolicy = rev
		}
	}
	return out
}

// TestCountsAgreeWithANaiveModel plays random heartbeats, reports, ends, silences and
// revocations. Headcount and what a reader of Turns has put
// together say the same as a count from the beginning.
func TestCountsAgreeWithANaiveModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		r := presence.NewRoster(c.Now)
		n := &naiveRoster{clock: c, began: c.Now(), streams: map[string]uint64{}, heard: map[string]time.Time{}, revision: map[string]uint64{}, process: map[string]string{}, sessions: map[[2]string]time.Time{}, newest: map[string]time.Time{}}
		turns, told := r.Turns(), map[identity.Workload]presence.Status{}
		connectors, tunnelers := []string{"c1", "c2", "c3"}, []string{"t1", "t2", "t3", "t4"}
		someC, someT := rapid.SampledFrom(connectors), rapid.SampledFrom(tunnelers)
		t.Repeat(map[string]func(*rapid.T){
			"stream": func(t *rapid.T) {
				id, process := someC.Draw(t, "connector"), rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "process")
				if was, known := n.process[id]; known && was != process {
					maps.DeleteFunc(n.sessions, func(pair [2]string, _ time.Time) bool { return pair[1] == id })
				}
				n.streams[id] = r.ConnectorUp(presence.Arrival{ID: id, InstanceID: process}, "", presence.SVID{})
				n.heard[id], n.revision[id], n.process[id] = c.Now(), 0, process
			},
			"heartbeat": func(t *rapid.T) {
				id, rev := someC.Draw(t, "connector"), rapid.Uint64Range(0, 3).Draw(t, "revision")
				stream, ok := n.streams[id]
				if !ok {
					stream = 99
				}
				r.ConnectorBeat(id, stream, presence.SVID{}, rev)
				if ok {
					n.heard[id], n.revision[id] = c.Now(), rev
				}
			},
			"stream ends": func(t *rapid.T) {
				id := someC.Draw(t, "connector")
				r.ConnectorDown(id, n.streams[id])
				delete(n.streams, id)
			},
			"connector revoked": func(t *rapid.T) {
				id := someC.Draw(t, "connector")
				r.Forget(connector(id))
				maps.DeleteFunc(n.sessions, func(pair [2]string, _ time.Time) bool { return pair[1] == id })
				delete(n.streams, id)
				delete(n.process, id)
			},
			"report": func(t *rapid.T) {
				id, at := someT.Draw(t, "tunneler"), someC.Draw(t, "connector")
				r.TunnelerReport(at, presence.Report{TunnelerID: id, Since: c.Now(), Version: rapid.SampledFrom([]string{"", "v1", "v2"}).Draw(t, "version")})
				n.sessions[[2]string{id, at}], n.newest[id] = c.Now(), c.Now()
			},
			"session ends": func(t *rapid.T) {
				id, at := someT.Draw(t, "tunneler"), someC.Draw(t, "connector")
				r.TunnelerReport(at, presence.Report{TunnelerID: id, Detached: true})
				delete(n.sessions, [2]string{id, at})
			},
			"revoked": func(t *rapid.T) {
				id := someT.Draw(t, "tunneler")
				r.Forget(tunneler(id))
				maps.DeleteFunc(n.sessions, func(pair [2]string, _ time.Time) bool { return pair[0] == id })
			},
			"time": func(t *rapid.T) {
				c.Advance(time.Duration(rapid.IntRange(1, 20_000).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(t *rapid.T) {
				if rapid.Bool().Draw(t, "count first") {
					require.Empty(t, cmp.Diff(n.headcount(), r.Headcount(someQuantiles...), cmpopts.EquateEmpty()))
				}
				online, at, _ := n.online()
				for _, turn := range turns.Take() {
					told[turn.Workload] = turn.State.Status
				}
				for _, id := range connectors {
					_, want := online[id]
					require.Equal(t, want, told[connector(id)] == presence.Online, id)
					require.Equal(t, want, r.Connector(id, time.Time{}).Status == presence.Online, id)
				}
				for _, id := range tunnelers {
					_, want := at[id]
					require.Equal(t, want, told[tunneler(id)] == presence.Online, id)
				}
				require.Empty(t, cmp.Diff(n.headcount(), r.Headcount(someQuantiles...), cmpopts.EquateEmpty()))
			},
		})
	})
}

// TestALookDoesNotAskEachMember: who is silent is asked for the time; a count, and a look
// for flips, ask the first one of an order and not a thousand.
func TestALookDoesNotAskEachMember(t *testing.T) {
	t.Parallel()
	c, asked := newClock(), 0
	r := presence.NewRoster(func() time.Time {
		asked++
		return c.Now()
	})
	for i := range 1000 {
		id := fmt.Sprintf("m%04d", i)
		r.ConnectorUp(presence.Arrival{ID: id}, "", presence.SVID{})
		r.TunnelerReport(id, presence.Report{TunnelerID: id, Since: c.Now()})
	}
	require.Equal(t, 2000, r.Look())
	asked = 0
	require.Equal(t, 1000, r.Headcount(someQuantiles...).Tunnelers.Online)
	require.Zero(t, r.Look())
	require.Empty(t, r.Refusing())
	require.LessOrEqual(t, asked, 5)
	c.Advance(presence.OfflineAfter + time.Second)
	require.Equal(t, 2000, r.Look(), "nothing happened but time")
	require.Zero(t, r.Headcount().Connectors.Online)
}
