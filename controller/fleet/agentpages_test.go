package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// TestALookForClonesReadsOnePageOfAgents: it costs the same whatever the fleet. Rounds
// take longer, and a clone is found all the same.
func TestALookForClonesReadsOnePageOfAgents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.enroll(t, connector("c-01"))
	gone := w.enroll(t, connector("c-02"))
	for i := range 2*enrolltest.PageSize + 1 {
		id := spiffeid.RequireFromPath(h.AgentID.TrustDomain(), fmt.Sprintf("/spire/agent/other/%04d", i))
		w.spire.AttestAs(fleet.Agent{ID: id, ExpiresAt: w.clock.Now().Add(24 * time.Hour)})
	}
	w.spire.AttestAs(fleet.Agent{ID: gone.AgentID, SerialNumber: "1", ExpiresAt: w.clock.Now().Add(24 * time.Hour), Banned: true})
	watch := w.watch(nil)
	for _, c := range []string{"c-01", "c-02"} {
		require.NoError(t, w.visits(t, connector(c), agentIs("7@100")))
	}
	again := w.HelloWanted(connector("c-01"))
	require.Equal(t, 2, w.TracedAgents())
	for look := range 3 * 6 { // six rounds of three pages; the first shows no change, three more are not enough
		w.spire.Calls()
		w.turn(t, watch, h, look)
		require.Equal(t, 1, w.spire.Calls()["AgentPage"])
		if look == 2 {
			require.Equal(t, 1, w.TracedAgents(), "a whole round has not found one that may attest")
		}
		if look < 12 {
			require.False(t, heardAgain(again))
		}
	}
	require.True(t, heardAgain(again))
}

// TestEnoughReadingsOfEachAgentFallIntoTheWindow: more pages at once only where the
// rounds would take too long.
func TestEnoughReadingsOfEachAgentFallIntoTheWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pages int
		life  time.Duration
		want  int
	}{
		{1, time.Hour, 1}, {20, time.Hour, 1}, {100, time.Hour, 5}, {100, 24 * time.Hour, 1}, {100, time.Minute, 100}, {0, 0, 1}, {3, -time.Hour, 3},
	} {
		require.Equal(t, c.want, fleet.PagesALook(c.pages, c.life), c)
	}
}
