package app_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// TestEveryEnrolledHostIsWaitedForWhenTheBootstrapCAIsReplaced, and no revoked one.
func TestEveryEnrolledHostIsWaitedForWhenTheBootstrapCAIsReplaced(t *testing.T) {
	t.Parallel()
	w, spire := wire(t)
	laptop, phone := identity.Workload{Kind: identity.KindTunneler, ID: "laptop"}, identity.Workload{Kind: identity.KindTunneler, ID: "phone"}
	member(t, w, spire, laptop)
	member(t, w, spire, phone)
	got, err := w.CertifiedHosts(t.Context())
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.NoError(t, w.Fleet().Revoke(t.Context(), fleet.Revocation{Workload: laptop, Actor: "key:test"}))
	got, err = w.CertifiedHosts(t.Context())
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "tunneler/phone", got[0].Name)
	require.False(t, got[0].Online)
}
