package directory_test

import (
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

// often has refused proofs reported before a test has waited for long, but not before
// a connection that is being cut is gone: a report on it could be lost.
func often(c *directory.Config) { c.ReportEvery = 250 * time.Millisecond }

func (f *fakeController) reported(t *testing.T) *zerotrustv1.ProofRefusal {
	t.Helper()
	select {
	case got := <-f.reports:
		require.Len(t, got.GetRefusals(), 1)
		return got.GetRefusals()[0]
	case <-time.After(soon):
		require.FailNow(t, "the controller does not hear of a refused proof")
		return nil
	}
}

// TestTheControllerHearsOfRefusedProofs: a connector or a controller that was not the
// one of the handshake leaves a trace in the audit log.
func TestTheControllerHearsOfRefusedProofs(t *testing.T) {
	t.Parallel()
	t.Run("of a connector", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		f := startController(t, ca, controller)
		w := start(t, ca, f.addr, "", often)
		w.Unproven(reproof.Refusal{Peer: spiffeid.RequireFromPath(td, "/connector/a"), Dialed: true, Reason: "bad signature", Remote: "192.0.2.7:9443"})
		got := f.reported(t)
		require.Equal(t, "spiffe://mycorp.internal/connector/a", got.GetSpiffeId())
		require.Equal(t, "bad signature", got.GetReason())
		require.Equal(t, "192.0.2.7:9443", got.GetRemoteAddress())
	})
	t.Run("of the controller, on the next connection", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		good := ca.SVID(t, controller)
		f := startController(t, ca, controller)
		w := start(t, ca, f.addr, "", often)
		f.next <- &zerotrustv1.Directory{Revision: 1}
		require.Eventually(t, func() bool { return w.Ready(t.Context()) == nil }, soon, time.Millisecond)
		f.own.Swap(ca.SVID(t, controller, mtlstest.Expired()))
		require.Eventually(t, func() bool { return w.Ready(t.Context()) != nil }, soon, time.Millisecond)
		f.own.Swap(good)
		got := f.reported(t)
		require.Equal(t, controller, got.GetSpiffeId())
		require.True(t, got.GetDialed())
		require.Contains(t, got.GetReason(), "expired")
	})
}
