package presence_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func TestRefusingConnectorsAreListedWhileTheyRefuse(t *testing.T) {
	t.Parallel()
	c := newClock()
	r := presence.NewRoster(c.Now)
	require.False(t, r.ConnectorRefuses("nobody", 1, "why"))
	old := r.ConnectorUp(presence.Arrival{ID: "c-02"}, "", presence.SVID{})
	one, two := r.ConnectorUp(presence.Arrival{ID: "c-01"}, "", presence.SVID{}), r.ConnectorUp(presence.Arrival{ID: "c-02"}, "", presence.SVID{})
	require.Empty(t, r.Refusing())
	require.False(t, r.ConnectorRefuses("c-01", one, ""), "it takes what is sent, as before")
	require.False(t, r.ConnectorRefuses("c-02", old, "of an older stream"))
	require.True(t, r.ConnectorRefuses("c-02", two, "older"))
	require.True(t, r.ConnectorRefuses("c-01", one, "log"))
	require.False(t, r.ConnectorRefuses("c-01", one, "another log"), "the log has it once")
	require.Equal(t, []presence.Refusing{{"c-01", "another log"}, {"c-02", "older"}}, r.Refusing())
	require.Equal(t, "older", r.Connector("c-02", time.Time{}).Refusal)

	require.True(t, r.ConnectorRefuses("c-01", one, ""))
	require.Equal(t, []presence.Refusing{{"c-02", "older"}}, r.Refusing())
	c.Advance(presence.OfflineAfter + time.Second)
	require.Empty(t, r.Refusing(), "one that is OFFLINE says nothing")
	require.Empty(t, r.Connector("c-02", time.Time{}).Refusal)
	require.Empty(t, r.Connector("c-03", time.Time{}).Refusal)
}

// TestAMemberOfAnotherProtocolIsNotedUntilItComesBackOrIsRevoked.
func TestAMemberOfAnotherProtocolIsNotedUntilItComesBackOrIsRevoked(t *testing.T) {
	t.Parallel()
	r := presence.NewRoster(time.Now)
	connector := func() string { return r.Connector("a", time.Time{}).Outdated }
	tunneler := func() string { p, _, _ := r.Tunneler("a", time.Time{}); return p.Outdated }
	for _, kind := range []identity.Kind{identity.KindConnector, identity.KindTunneler} {
		w := identity.Workload{Kind: kind, ID: "a"}
		for _, end := range []func(){func() { r.Outdated(w, "") }, func() { r.Forget(w) }} {
			r.Outdated(w, "upgrade it")
			require.Equal(t, "upgrade it", connector()+tunneler(), "it alone")
			end()
			require.Empty(t, connector()+tunneler())
		}
	}
}
