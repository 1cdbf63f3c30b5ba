package app_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// TestTheControllersDoctorNamesConnectorsThatRefuseIt: the check is degraded, which
// doctor and status print, and says what to do. The controller itself stays ready.
func TestTheControllersDoctorNamesConnectorsThatRefuseIt(t *testing.T) {
	t.Parallel()
	w, _ := wire(t)
	check := func() health.Check {
		for _, c := range w.Checks().Report(context.WithoutCancel(t.Context())).Checks {
			if c.Name == "connectors" {
				return c
			}
		}
		require.Fail(t, "no such check")
		return health.Check{}
	}
	require.True(t, check().OK, "%+v", check())
	for i := range 7 {
		id := fmt.Sprintf("c-%d", i)
		stream := w.Roster().ConnectorUp(presence.Arrival{ID: id}, "", presence.SVID{})
		w.Roster().ConnectorRefuses(id, stream, "older than the policy in use")
	}
	got := check()
	require.True(t, got.Degraded)
	require.False(t, got.Failing())
	require.Contains(t, got.Detail, "c-0, c-1, c-2, c-3, c-4, and 2 more (older than the policy in use)")
	require.Contains(t, got.Detail, "grpcconnector witness reset --yes")
	require.Empty(t, w.Roster().Connector("c-9", time.Time{}).Refusal)
}
