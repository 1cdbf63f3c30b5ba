package session_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// TestAProgramThatStoodStillBlamesNoConnector: after SIGSTOP, or a minute without CPU
// time, every answer is late, because nobody has read it. A tunneler that took this for
// silence would leave connectors that work, and with it the whole fleet after a hiccup
// of its machine.
func TestAProgramThatStoodStillBlamesNoConnector(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers  time.Duration // after the program goes on
		replaced bool
	}{
		"that answers what it finds in its socket": {100 * time.Millisecond, false},
		"that takes a moment":                      {2 * time.Second, false},
		"but one that is gone by then":             {5 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ca := mtlstest.NewCA(t, td)                           // of the time of the bubble
				answer := map[string]*atomic.Pointer[chan struct{}]{} // closed while the connector of this id answers
				listeners := map[string]*bufconn.Listener{}
				var list []directory.Connector
				for _, id := range strings.Fields("a b c") {
					open := make(chan struct{})
					close(open)
					gate := &atomic.Pointer[chan struct{}]{}
					gate.Store(&open)
					answer[id], listeners[id] = gate, bufconn.Listen(64<<10)
					serveConnector(t, ca, listeners[id], connectorSVID(t, ca, id), false, func(f *fakeConnector) {
						f.answer = func(n uint64) []*zerotrustv1.SessionResponse {
							<-*gate.Load()
							return []*zerotrustv1.SessionResponse{ack(n, n)}
						}
					})
					at := at(id, id)
					at.NetworkID = "plant"
					list = append(list, at)
				}
				w := start(t, ca, func(cfg *session.Config) {
					cfg.Dial = func(ctx context.Context, id string) (net.Conn, error) { return listeners[id].DialContext(ctx) }
					cfg.Measure = func(context.Context, directory.Connector) (time.Duration, error) { return time.Millisecond, nil }
				})
				w.book.turn(list...)
				<-time.After(10 * time.Second)
				synctest.Wait()
				before := w.manager.Sessions(time.Time{})
				require.Len(t, before, 2)

				const stands = time.Minute
				still := make(chan struct{})
				for _, one := range before {
					require.True(t, one.Connected, one.Failure)
					answer[one.ConnectorID].Store(&still)
				}
				w.book.stands.Store(int64(stands))
				w.book.turn(list...)
				<-time.After(stands)
				<-time.After(c.answers)
				if !c.replaced {
					close(still)
				}
				<-time.After(10 * time.Second)
				synctest.Wait()
				after := w.manager.Sessions(time.Time{})
				if c.replaced {
					require.Contains(t, after[0].Why+after[1].Why, "which is down: it has not answered for ")
					close(still)
					return
				}
				for i, one := range after {
					require.Equal(t, before[i].ConnectorID, one.ConnectorID)
					require.Equal(t, before[i].Why, one.Why)
					require.Equal(t, uint64(1), one.Streams, "on the stream of before")
				}
			})
		})
	}
}
