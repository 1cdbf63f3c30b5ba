package control_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// TestShutdown: both servers return within their drain time whatever peers do, and
// TestMain finds no goroutine left.
func TestShutdown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rude  func(t *testing.T, w *world)
		drain time.Duration
	}{
		"with polite peers at once":                      {func(*testing.T, *world) {}, 10 * patience},
		"with a stream that never said hello":            {func(t *testing.T, w *world) { w.open(t, connector("c-02")) }, control.DrainTimeout},
		"with a connection that never began a handshake": {silent, control.DrainTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorldThatDrains(t, c.drain)
			for _, id := range []string{"c-01", "c-02"} {
				w.member(t, connector(id))
			}
			w.member(t, tunneler("t-01"))
			s := w.open(t, connector("c-01"))
			s.say(hello("c-01"))
			s.policy(t)
			d, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, tunneler("t-01"))).Watch(patient(t), &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: "t-01"})
			require.NoError(t, err)
			_, err = d.Recv()
			require.NoError(t, err)
			c.rude(t, w)

			w.shutDown()
			m, err := s.Recv()
			require.NoError(t, err)
			require.NotNil(t, m.GetGoodbye(), "the controller says goodbye")
			require.Positive(t, m.GetGoodbye().GetRetryAfter().AsDuration())
			s.endsWith(t, codes.Unavailable, "the controller is stopping")
			_, err = d.Recv()
			require.Equal(t, codes.Unavailable, status.Code(err), err)
			for range 2 {
				select {
				case err := <-w.stopped:
					require.NoError(t, err)
				case <-time.After(patience):
					t.Fatal("a server did not stop")
				}
			}
		})
	}
}

// silent connects to both listeners and says nothing.
func silent(t *testing.T, w *world) {
	t.Helper()
	for _, addr := range []net.Addr{w.enrollment.Addr(), w.plane.Addr()} {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr.String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
	}
	// A whole exchange behind it: the silent one has been accepted by then.
	_, err := w.enrollmentClient(t, nil).FetchBundle(patient(t), &zerotrustv1.FetchBundleRequest{})
	require.NoError(t, err)
	w.open(t, connector("c-02")).say(hello("c-02"))
}
