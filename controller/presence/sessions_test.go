package presence_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// TestTunnelerAtTwoConnectorsDoesNotFlap takes 200 samples, one after each report.
func TestTunnelerAtTwoConnectorsDoesNotFlap(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := presence.NewRoster(c.Now)
	began := c.Now()
	for i := range 200 {
		connector := fmt.Sprintf("c-%02d", 1+i%2)
		c.Advance(5 * time.Second)
		r.TunnelerReport(connector, presence.Report{TunnelerID: "t", Since: began, RemoteAddr: connector})
		p, at, open := r.Tunneler("t", time.Time{})
		require.Equal(t, presence.State{Status: presence.Online, Since: began, LastSeen: c.Now(), RemoteAddr: "c-01"}, p, "sample %d", i)
		require.Equal(t, "c-01", at, "sample %d", i)
		require.Len(t, open, min(i+1, 2))
		require.Equal(t, p.LastSeen, r.LastSeen(tunneler("t"), time.Time{}), "sample %d", i)
	}
}

func TestTunnelerStaysOnlineWhileASessionLives(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(*presence.Roster, *hosttest.Clock){
		"the session of the other connector ends": func(r *presence.Roster, _ *hosttest.Clock) {
			r.TunnelerReport("c-01", presence.Report{TunnelerID: "t", Detached: true})
		},
		"the other connector falls silent": func(r *presence.Roster, c *hosttest.Clock) {
			c.Advance(presence.OfflineAfter)
			r.TunnelerReport("c-02", presence.Report{TunnelerID: "t", Since: c.Now(), Version: "v1"})
			c.Advance(time.Second)
		},
		"the other connector is revoked": func(r *presence.Roster, _ *hosttest.Clock) { r.Forget(connector("c-01")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			r := presence.NewRoster(c.Now)
			r.TunnelerReport("c-01", presence.Report{TunnelerID: "t", Since: c.Now()})
			r.TunnelerReport("c-02", presence.Report{TunnelerID: "t", Since: c.Now(), Version: "v1"})
			leave(r, c)
			p, at, open := r.Tunneler("t", time.Time{})
			require.Equal(t, presence.Online, p.Status)
			require.Equal(t, "c-02", at)
			require.Len(t, open, 1)
			require.Equal(t, "v1", open[0].Version)
			require.Equal(t, 1, r.Headcount().Sessions)
			require.Len(t, r.Peers(), 1)
		})
	}
}

func TestTunnelerIsShownAtAConnectorWithAStream(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := presence.NewRoster(c.Now)
	at := func() string { _, at, _ := r.Tunneler("t", time.Time{}); return at }
	first := r.ConnectorUp(presence.Arrival{ID: "c-01"}, "", presence.SVID{})
	r.ConnectorUp(presence.Arrival{ID: "c-02"}, "", presence.SVID{})
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t", Since: c.Now()})
	r.ConnectorDown("c-01", first)
	require.Equal(t, "c-01", at(), "its session lives until it falls silent")
	r.TunnelerReport("c-02", presence.Report{TunnelerID: "t", Since: c.Now()})
	require.Equal(t, "c-02", at(), "a killed connector says of no session that it ended")
	r.ConnectorUp(presence.Arrival{ID: "c-01"}, "", presence.SVID{})
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t", Since: c.Now()})
	require.Equal(t, "c-02", at(), "one that comes back does not take it away")
}

// TestSessionsEndWithTheirProcess: a connector that was killed and is back says of no
// session of its former process that it ended.
func TestSessionsEndWithTheirProcess(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := presence.NewRoster(c.Now)
	r.ConnectorUp(presence.Arrival{ID: "c-01", InstanceID: "one"}, "", presence.SVID{})
	r.ConnectorUp(presence.Arrival{ID: "c-02", InstanceID: "x"}, "", presence.SVID{})
	for _, at := range []string{"c-01", "c-02"} {
		r.TunnelerReport(at, presence.Report{TunnelerID: "t", Since: c.Now()})
	}
	r.ConnectorUp(presence.Arrival{ID: "c-01", InstanceID: "one"}, "", presence.SVID{})
	_, at, open := r.Tunneler("t", time.Time{})
	require.Equal(t, "c-01", at, "another stream of the same process")
	require.Len(t, open, 2)
	r.ConnectorUp(presence.Arrival{ID: "c-01", InstanceID: "two"}, "", presence.SVID{})
	p, at, open := r.Tunneler("t", time.Time{})
	require.Equal(t, presence.Online, p.Status)
	require.Equal(t, "c-02", at)
	require.Len(t, open, 1)
}

// TestAConnectorHasNoMoreSessionsThanItTakesConnections: one that says it has everybody
// does not fill the memory of the controller.
func TestAConnectorHasNoMoreSessionsThanItTakesConnections(t *testing.T) {
	t.Parallel()
	r := presence.NewRoster(time.Now)
	r.ConnectorUp(presence.Arrival{ID: "liar"}, "", presence.SVID{})
	r.ConnectorUp(presence.Arrival{ID: "other"}, "", presence.SVID{})
	say := func(connector string, i int, detached bool) {
		r.TunnelerReport(connector, presence.Report{TunnelerID: fmt.Sprintf("t-%d", i), Detached: detached})
	}
	for i := range wire.MaxSessions + 10 {
		say("liar", i, false)
	}
	require.Equal(t, wire.MaxSessions, r.Headcount().Sessions)
	say("liar", 0, false)
	say("other", wire.MaxSessions, false)
	require.Equal(t, wire.MaxSessions+1, r.Headcount().Sessions, "another connector has room")
	say("liar", 0, true)
	say("liar", wire.MaxSessions+1, false)
	p, at, _ := r.Tunneler(fmt.Sprintf("t-%d", wire.MaxSessions+1), time.Time{})
	require.Equal(t, presence.Online, p.Status)
	require.Equal(t, "liar", at, "in the place of one that ended")
}

func TestTunnelerOfARevokedConnectorAloneIsOffline(t *testing.T) {
	t.Parallel()
	r := presence.NewRoster(newClock().Now)
	next, _ := watch(t, r)
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t", Since: time.Now()})
	require.Equal(t, "tunneler/t ONLINE", next())
	r.Forget(connector("c-01"))
	require.Equal(t, "tunneler/t OFFLINE", next(), "nobody else says that it is here")
}

// naiveSession is one line of the model: what was reported last of one pair.
type naiveSession struct {
	heard time.Time
	ended bool
}

// TestSessionsAgreeWithANaiveModel plays random reports, ends, silences and
// revocations, and has each reader agree with a list of all that was ever said.
func TestSessionsAgreeWithANaiveModel(t *testing.T) {
	t.Parallel()
	ids := []string{"c-1", "c-2", "c-3"}
	rapid.Check(t, func(t *rapid.T) {
		c := newClock()
		r := presence.NewRoster(c.Now)
		said, shown := map[string]naiveSession{}, ""
		streams, up := map[string][]uint64{}, map[string]bool{}
		living := func() (out []string) {
			for _, id := range ids {
				if s, ok := said[id]; ok && !s.ended && c.Now().Sub(s.heard) <= presence.OfflineAfter {
					out = append(out, id)
				}
			}
			return out
		}
		check := func() {
			open := living()
			streaming := slices.DeleteFunc(slices.Clone(open), func(id string) bool { return !up[id] })
			switch {
			case slices.Contains(streaming, shown):
			case len(streaming) > 0:
				shown = slices.MaxFunc(streaming, func(a, b string) int { return said[a].heard.Compare(said[b].heard) })
			case len(open) > 0 && !slices.Contains(open, shown):
				shown = slices.MaxFunc(open, func(a, b string) int { return said[a].heard.Compare(said[b].heard) })
			}
			p, at, sessions := r.Tunneler("t", time.Time{})
			require.Equal(t, len(open) > 0, p.Status == presence.Online)
			require.Equal(t, shown, at)
			var got, peers []string
			for _, s := range sessions {
				got = append(got, s.ConnectorID)
				require.Equal(t, said[s.ConnectorID].heard, s.LastSeen)
			}
			for _, peer := range r.Peers() {
				if via, ok := strings.CutPrefix(peer.Via, "session at connector/"); ok {
					peers = append(peers, via)
				}
			}
			require.Empty(t, cmp.Diff(open, got, cmpopts.EquateEmpty()))
			require.Empty(t, cmp.Diff(open, peers, cmpopts.EquateEmpty()))
			require.Equal(t, len(open), r.Headcount().Sessions)
		}
		some := rapid.SampledFrom(ids)
		forget := func(id string) { delete(said, id) }
		step := func(do func(id string)) func(*rapid.T) {
			return func(t *rapid.T) {
				c.Advance(time.Millisecond) // no two reports at one moment
				do(some.Draw(t, "connector"))
				check()
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"report": step(func(id string) {
				r.TunnelerReport(id, presence.Report{TunnelerID: "t", Since: c.Now()})
				said[id] = naiveSession{heard: c.Now()}
			}),
			"end": step(func(id string) {
				r.TunnelerReport(id, presence.Report{TunnelerID: "t", Detached: true})
				if s, ok := said[id]; ok {
					s.ended = true
					said[id] = s
				}
			}),
			"connector comes": step(func(id string) {
				streams[id] = append(streams[id], r.ConnectorUp(presence.Arrival{ID: id}, "", presence.SVID{}))
				up[id] = true
			}),
			// The session is not the stream: it lives on.
			"stream ends": step(func(id string) {
				for _, stream := range streams[id] {
					r.ConnectorDown(id, stream)
				}
				up[id] = false
			}),
			"stale end": step(func(id string) {
				if n := len(streams[id]); n > 1 {
					r.ConnectorDown(id, streams[id][n-2])
				}
			}),
			"revoked": step(func(id string) {
				r.Forget(connector(id))
				forget(id)
				up[id] = false
			}),
			"silence": step(func(string) {
				c.Advance(time.Duration(rapid.IntRange(1, 40).Draw(t, "seconds")) * time.Second)
			}),
		})
	})
}
