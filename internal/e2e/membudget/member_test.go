package membudget_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// TestAConnectorThatIsAwayIsWithinItsBudget of the controller's memory: it is in the
// policy that all streams share, and in the lists that the dashboard shows.
func TestAConnectorThatIsAwayIsWithinItsBudget(t *testing.T) { away(t, identity.KindConnector) }

func TestATunnelerThatIsAwayIsWithinItsBudget(t *testing.T) { away(t, identity.KindTunneler) }

func away(t *testing.T, kind identity.Kind) {
	t.Helper()
	if !alone(t) {
		return
	}
	const members = 2000
	f := newFleet(t)
	f.enroll(t, kind, members)
	perObject(t, "a "+string(kind)+" that is away", members, awayBudget, func(t *testing.T) {
		t.Helper()
		require.NoError(t, f.policy.Refresh(t.Context()))
		connectors, err := f.fleet.Connectors(t.Context())
		require.NoError(t, err)
		tunnelers, err := f.fleet.Tunnelers(t.Context())
		require.NoError(t, err)
		require.Equal(t, members, len(connectors)+len(tunnelers))
		hosts, err := f.fleet.Hosts(t.Context())
		require.NoError(t, err)
		require.Len(t, hosts, members)
	})
	runtime.KeepAlive(f)
}

// TestAReportedSessionIsWithinItsBudget of the controller's memory: what the roster
// knows of a tunneler that has sessions at two connectors.
func TestAReportedSessionIsWithinItsBudget(t *testing.T) {
	if !alone(t) {
		return
	}
	const tunnelers, each = 2000, 2
	r := presence.NewRoster(time.Now)
	perObject(t, "a session that a connector reports", tunnelers*each, reportBudget, func(t *testing.T) {
		t.Helper()
		for i := range tunnelers * each {
			r.TunnelerReport(fmt.Sprintf("connector-%05d", i%each), presence.Report{
				TunnelerID: idOf(identity.KindTunneler, i/each), Version: fmt.Sprintf("v1.%d", i%10), Since: time.Now(), RemoteAddr: fmt.Sprintf("192.0.2.%d:%d", i%250, i),
				SVID:   presence.SVID{Serial: fmt.Sprintf("%040d", i), AuthorityID: fmt.Sprintf("%040d", i%2), NotAfter: time.Now()},
				Trusts: []string{fmt.Sprintf("%040d", 1), fmt.Sprintf("%040d", 2)},
			})
		}
	})
	runtime.KeepAlive(r)
}
