package mtls_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
}
