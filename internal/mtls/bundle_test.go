package mtls_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

func TestSourceTellsOfANewBundleAndNotOfTheSame(t *testing.T) {
	t.Parallel()
	ca, next := mtlstest.NewCA(t, td), mtlstest.NewCA(t, td)
	agent, socket := newAgent(t)
	svid := ca.SVID(t, connectorID)
	agent.issue(t, ca, svid)
	s := open(t, config(socket))
	changed, unsubscribe := s.SubscribeBundle()
	defer unsubscribe()
	gone, forget := s.SubscribeBundle()
	forget()

	again := ca.SVID(t, connectorID)
	agent.issue(t, ca, again)
	eventually(t, "the swap", func() bool { return leafOf(t, s).Equal(again.Certificates[0]) })
	require.Empty(t, changed, "another SVID is no other bundle")
	require.Equal(t, mtls.Swaps{SVID: 2, Bundle: 1}, s.Swaps())

	both := answerOf(t, ca, again)
	both.Svids[0].Bundle = append(append([]byte(nil), ca.Authority().Raw...), next.Authority().Raw...)
	agent.set(both, nil)
	select {
	case <-changed:
	case <-time.After(20 * time.Second):
		t.Fatal("no word of the new authority")
	}
	require.Len(t, s.AuthorityIDs(), 2)
	require.Empty(t, gone)
	require.Equal(t, mtls.Swaps{SVID: 2, Bundle: 2}, s.Swaps())
}

// TestEachSwapIsCountedAndLogged ties the two together: who watches the counter
// finds the line, and a Workload API that repeats itself moves neither.
func TestEachSwapIsCountedAndLogged(t *testing.T) {
	t.Parallel()
	ca, next := mtlstest.NewCA(t, td), mtlstest.NewCA(t, td)
	agent, socket := newAgent(t)
	agent.issue(t, ca, ca.SVID(t, connectorID))
	core, logs := observer.New(zap.InfoLevel)
	c := config(socket)
	c.Log = zap.New(core)
	s := open(t, c)
	want := func(what string, svids, bundles int) {
		t.Helper()
		eventually(t, what, func() bool { return logs.FilterMessage("x509-svid swapped").Len() == svids })
		eventually(t, what, func() bool { return logs.FilterMessage("trust bundle swapped").Len() == bundles })
		require.Equal(t, mtls.Swaps{SVID: uint64(svids), Bundle: uint64(bundles)}, s.Swaps(), what)
	}
	want("the first ones", 1, 1)

	svid := next.SVID(t, connectorID)
	agent.issue(t, next, svid)
	want("a rotation", 2, 2)

	agent.set(nil, status.Error(codes.PermissionDenied, "no identity issued"))
	eventually(t, "the fault", func() bool { return s.Fault() != nil })
	agent.issue(t, next, svid)
	eventually(t, "the recovery", func() bool { return s.Fault() == nil })
	want("the same again", 2, 2)

	agent.issue(t, next, next.SVID(t, connectorID))
	want("a new SVID of the same authority", 3, 2)
}
