package presence_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
)

func TestRosterFollowsConnectors(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := presence.NewRoster(c.Now)
	stored := c.Now().Add(-time.Hour)
	require.Empty(t, cmp.Diff(presence.State{Status: presence.Offline, LastSeen: stored}, r.Connector("c-01", stored)), "from before this start")
	require.Equal(t, stored, r.LastSeen(connector("c-01"), stored))

	up := c.Now()
	first := r.ConnectorUp(presence.Arrival{ID: "c-01", InstanceID: "one", BootID: "boot"}, "192.0.2.1:1", presence.SVID{Serial: "01"})
	c.Advance(10 * time.Second)
	r.ConnectorBeat("c-01", first, presence.SVID{Serial: "02"}, 7)
	require.Empty(t, cmp.Diff(presence.State{
		Status: presence.Online, Since: up, LastSeen: c.Now(), RemoteAddr: "192.0.2.1:1", InstanceID: "one", BootID: "boot",
		SVID: presence.SVID{Serial: "02"}, PolicyRevision: 7,
	}, r.Connector("c-01", stored)))

	t.Log("a newer stream replaces it; nothing that the older one still does counts")
	second := r.ConnectorUp(presence.Arrival{ID: "c-01", InstanceID: "two"}, "192.0.2.1:2", presence.SVID{Serial: "03"})
	require.NotEqual(t, first, second)
	seen := c.Now()
	c.Advance(time.Second)
	r.ConnectorBeat("c-01", first, presence.SVID{Serial: "99"}, 99)
	r.ConnectorDown("c-01", first)
	p := r.Connector("c-01", stored)
	require.Equal(t, presence.Online, p.Status)
	require.Equal(t, "two", p.InstanceID)
	require.Equal(t, "03", p.SVID.Serial)
	require.Equal(t, seen, p.LastSeen)

	t.Log("three heartbeats missed, and not a moment less")
	c.Advance(29 * time.Second)
	require.Equal(t, presence.Online, r.Connector("c-01", stored).Status)
	c.Advance(time.Nanosecond)
	require.Equal(t, presence.Offline, r.Connector("c-01", stored).Status)
	require.Equal(t, seen, r.Connector("c-01", stored).LastSeen)
	require.Equal(t, seen, r.LastSeen(connector("c-01"), stored))
	require.True(t, r.Connector("c-01", stored).Since.IsZero())
	r.ConnectorBeat("c-01", second, presence.SVID{}, 0)
	require.Equal(t, presence.Online, r.Connector("c-01", stored).Status, "a heartbeat brings it back")

	r.ConnectorDown("c-01", second)
	require.Equal(t, presence.Offline, r.Connector("c-01", stored).Status, "the end of its stream counts at once")

	t.Log("what is forgotten or was never here cannot come back by a heartbeat")
	r.Forget(connector("c-01"))
	r.ConnectorBeat("c-01", second, presence.SVID{}, 0)
	r.ConnectorDown("c-01", second)
	r.ConnectorBeat("c-02", 1, presence.SVID{}, 0)
	r.ConnectorDown("c-02", 1)
	for _, id := range []string{"c-01", "c-02"} {
		require.Empty(t, cmp.Diff(presence.State{Status: presence.Offline, LastSeen: stored}, r.Connector(id, stored)))
	}
}

func TestRosterFollowsTunnelers(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := presence.NewRoster(c.Now)
	status := func() (presence.Status, string) {
		p, by, _ := r.Tunneler("t-01", time.Time{})
		return p.Status, by
	}
	expect := func(want presence.Status, by string) {
		t.Helper()
		s, b := status()
		require.Equal(t, want, s)
		require.Equal(t, by, b)
	}
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Detached: true})
	expect(presence.Offline, "")
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Since: c.Now(), RemoteAddr: "a"})
	expect(presence.Online, "c-01")
	r.TunnelerReport("c-02", presence.Report{TunnelerID: "t-01", Since: c.Now(), RemoteAddr: "b"})
	expect(presence.Online, "c-01") // it has both, and does not jump
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Detached: true})
	expect(presence.Online, "c-02")
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Detached: true})
	expect(presence.Online, "c-02") // a second end of the same session
	r.TunnelerReport("c-02", presence.Report{TunnelerID: "t-01", Detached: true})
	expect(presence.Offline, "c-02")
	r.TunnelerReport("c-02", presence.Report{TunnelerID: "t-01", Since: c.Now()})
	expect(presence.Online, "c-02")
	c.Advance(presence.OfflineAfter + 1)
	expect(presence.Offline, "c-02")
	r.Forget(tunneler("t-01"))
	expect(presence.Offline, "")
}

// TestRosterIsSafe is for the race detector.
func TestRosterIsSafe(t *testing.T) {
	t.Parallel()
	r := presence.NewRoster(time.Now)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				n := r.ConnectorUp(presence.Arrival{ID: "c-01"}, "", presence.SVID{})
				r.ConnectorBeat("c-01", n, presence.SVID{}, 1)
				r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Since: time.Now()})
				_ = r.Connector("c-01", time.Time{})
				_, _, _ = r.Tunneler("t-01", time.Time{})
				r.ConnectorDown("c-01", n)
			}
		})
	}
	wg.Wait()
	require.Equal(t, presence.Offline, r.Connector("c-01", time.Time{}).Status, "the last one to go was the current one")
}
