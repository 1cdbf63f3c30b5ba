package presence_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestPeersAreTheOpenLinksOfOnlineMembers(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := presence.NewRoster(c.Now)
	require.Empty(t, r.Peers())
	connector := identity.Workload{Kind: identity.KindConnector, ID: "c-01"}
	tunneler := identity.Workload{Kind: identity.KindTunneler, ID: "t-01"}
	one, two := []string{"ca-1"}, []string{"ca-1", "ca-2"}
	was, is := presence.SVID{AuthorityID: "ca-1"}, presence.SVID{AuthorityID: "ca-2"}

	stream := r.ConnectorUp(presence.Arrival{ID: "c-01"}, "192.0.2.1:1", was)
	require.Empty(t, cmp.Diff([]presence.Peer{{Workload: connector, SVID: was}}, r.Peers()), "it has not said what it trusts")
	r.ConnectorTrusts("c-01", two)
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", SVID: is, Trusts: two, Since: c.Now()})
	r.TunnelerReport("c-02", presence.Report{TunnelerID: "t-01", SVID: was, Trusts: one, Since: c.Now()})
	r.TunnelerProved("t-01", 1, is)
	want := []presence.Peer{
		{Workload: connector, SVID: was, Trusts: two},
		{Workload: tunneler, Via: "directory stream", SVID: is, Trusts: two},
		{Workload: tunneler, Via: "session at connector/c-01", SVID: is, Trusts: two},
		{Workload: tunneler, Via: "session at connector/c-02", SVID: was, Trusts: one},
	}
	got := r.Peers()
	got[1].Trusts = two // of either session: there is one bundle on a host
	require.Empty(t, cmp.Diff(want, got), "one newer report hides no older session")

	t.Log("a session that ends, a silent one and a revoked member hold nothing up")
	r.TunnelerReport("c-02", presence.Report{TunnelerID: "t-01", Detached: true})
	require.Len(t, r.Peers(), 3)
	c.Advance(presence.OfflineAfter + time.Second)
	r.ConnectorBeat("c-01", stream, is, 1)
	require.Empty(t, cmp.Diff([]presence.Peer{{Workload: connector, SVID: is, Trusts: two}}, r.Peers()))
	r.Forget(connector)
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", SVID: is, Since: c.Now()})
	r.Forget(tunneler)
	require.Empty(t, r.Peers())
}

func TestLinksOfOneMemberAreThoseThatPeersListsOfIt(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := presence.NewRoster(c.Now)
	connector := identity.Workload{Kind: identity.KindConnector, ID: "c-01"}
	tunneler := identity.Workload{Kind: identity.KindTunneler, ID: "t-01"}
	require.Empty(t, r.PeersOf(connector))
	require.Empty(t, r.PeersOf(tunneler))
	r.ConnectorUp(presence.Arrival{ID: "c-01"}, "192.0.2.1:1", presence.SVID{})
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Since: c.Now()})
	r.TunnelerReport("c-02", presence.Report{TunnelerID: "t-01", Since: c.Now()})
	r.TunnelerProved("t-01", 1, presence.SVID{AuthorityID: "ca-1"})
	require.Len(t, r.PeersOf(tunneler), 3)
	require.Equal(t, r.Peers(), append(r.PeersOf(connector), r.PeersOf(tunneler)...))
	c.Advance(presence.OfflineAfter + time.Second)
	require.Empty(t, r.PeersOf(tunneler), "it fell silent")
	require.Empty(t, r.PeersOf(connector))
}

func TestSubscribersOfPeersHearOfChangesAndOfNoHeartbeatWithoutOne(t *testing.T) {
	t.Parallel()
	r := presence.NewRoster(newClock().Now)
	changed, unsubscribe := r.SubscribePeers()
	defer unsubscribe()
	hears := func(what string, want bool) {
		t.Helper()
		select {
		case <-changed:
			require.True(t, want, what)
		default:
			require.False(t, want, what)
		}
	}
	one, two := []string{"ca-1"}, []string{"ca-1", "ca-2"}
	stream := r.ConnectorUp(presence.Arrival{ID: "c-01"}, "192.0.2.1:1", presence.SVID{})
	hears("a new stream", true)
	r.ConnectorBeat("c-01", stream, presence.SVID{AuthorityID: "ca-1"}, 1)
	hears("a heartbeat with another SVID", true)
	r.ConnectorTrusts("c-01", one)
	hears("another bundle", true)
	r.ConnectorTrusts("c-01", one)
	r.ConnectorBeat("c-01", stream, presence.SVID{AuthorityID: "ca-1"}, 2)
	hears("a heartbeat with nothing new", false)
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Trusts: one})
	hears("a new session", true)
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Trusts: one})
	hears("the same report again", false)
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Trusts: two})
	hears("a tunneler with another bundle", true)
	r.TunnelerReport("c-01", presence.Report{TunnelerID: "t-01", Detached: true})
	hears("the end of a session", true)
	r.ConnectorDown("c-01", stream)
	hears("the end of a stream", true)
}
