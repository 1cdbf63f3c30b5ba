package directory_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

func earliest(w *directory.Watcher, id string) time.Time {
	for _, c := range w.Current().Connectors {
		if c.ID == id {
			return c.SVIDNotBefore
		}
	}
	return time.Time{}
}

// TestADeniedConnectorIsNotBelievedWhoeverNamesIt: the directory that is kept, an older
// one and a newer one name a connector that was revoked; only an SVID of after the
// revocation counts.
func TestADeniedConnectorIsNotBelievedWhoeverNamesIt(t *testing.T) {
	t.Parallel()
	ca, dir := mtlstest.NewCA(t, td), t.TempDir()
	require.NoError(t, directory.Store(dir, &zerotrustv1.Directory{Revision: 3, Connectors: []*zerotrustv1.DirectoryConnector{entry("a"), entry("b")}}))
	c := startController(t, ca, "spiffe://mycorp.internal/controller/c1")
	w := start(t, ca, c.addr, dir)
	c.asked(t)
	<-w.Changed()
	at := time.Now().Truncate(time.Second)
	c.denied <- &zerotrustv1.Denials{Denials: []*zerotrustv1.Denial{
		{SpiffeId: "spiffe://other.org/connector/b", SvidNotBefore: timestamppb.New(at)},
		{SpiffeId: "spiffe://mycorp.internal/connector/a", SvidNotBefore: timestamppb.New(at)},
	}}
	select {
	case <-w.Changed():
	case <-time.After(soon):
		require.FailNow(t, "the sessions were not told")
	}
	require.True(t, earliest(w, "a").Equal(at), "at once, of the directory that was kept")
	require.True(t, earliest(w, "b").Before(at), "and nobody else")
	require.False(t, w.Status().Live, "denials alone are no directory")

	for _, revision := range []uint64{9, 5, 10} { // 5 is refused
		c.next <- &zerotrustv1.Directory{Revision: revision, Connectors: []*zerotrustv1.DirectoryConnector{entry("a"), entry("b")}}
		if revision == 5 {
			c.asked(t)
		}
	}
	require.Eventually(t, func() bool { return w.Status().Revision == 10 }, soon, time.Millisecond)
	require.True(t, earliest(w, "a").Equal(at))
}

// TestATunnelerThatRefusesAnOlderDirectoryIsNotReady: it says what to do on the host.
func TestATunnelerThatRefusesAnOlderDirectoryIsNotReady(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	c := startController(t, ca, "spiffe://mycorp.internal/controller/c1")
	w := start(t, ca, c.addr, t.TempDir())
	c.asked(t)
	c.next <- &zerotrustv1.Directory{Revision: 9, Connectors: []*zerotrustv1.DirectoryConnector{entry("a")}}
	c.next <- &zerotrustv1.Directory{Revision: 5}
	c.asked(t) // anew: a controller that has said 9 does not say 5
	c.next <- &zerotrustv1.Directory{Revision: 5}
	require.Eventually(t, func() bool { return w.Status().Connected && w.Ready(t.Context()) != nil }, soon, time.Millisecond)
	require.ErrorContains(t, w.Ready(t.Context()), "revision 5, in use is 9")
	require.ErrorContains(t, w.Ready(t.Context()), "restart grpctunneler")
	c.next <- &zerotrustv1.Directory{Revision: 10, Connectors: []*zerotrustv1.DirectoryConnector{entry("a")}}
	require.Eventually(t, func() bool { return w.Ready(t.Context()) == nil }, soon, time.Millisecond)
}
