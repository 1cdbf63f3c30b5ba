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

// stillWorld is a tunneler with connectors of one network that can be silenced.
type stillWorld struct {
	*world
	list   []directory.Connector
	answer map[string]*atomic.Pointer[chan struct{}] // closed while the connector of this id answers
}

// threeOfOneNetwork is for a bubble: its certificates are of the time there.
func threeOfOneNetwork(t *testing.T) *stillWorld {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	w := &stillWorld{answer: map[string]*atomic.Pointer[chan struct{}]{}}
	listeners := map[string]*bufconn.Listener{}
	for _, id := range strings.Fields("a b c") {
		open := make(chan struct{})
		close(open)
		gate := &atomic.Pointer[chan struct{}]{}
		gate.Store(&open)
		w.answer[id], listeners[id] = gate, bufconn.Listen(64<<10)
		serveConnector(t, ca, listeners[id], connectorSVID(t, ca, id), false, func(f *fakeConnector) {
			f.answer = func(n uint64) []*zerotrustv1.SessionResponse {
				<-*gate.Load()
				return []*zerotrustv1.SessionResponse{ack(n, n)}
			}
		})
		one := at(id, id)
		one.NetworkID = "plant"
		w.list = append(w.list, one)
	}
	w.world = start(t, ca, func(cfg *session.Config) {
		cfg.Dial = func(ctx context.Context, id string) (net.Conn, error) { return listeners[id].DialContext(ctx) }
		cfg.Measure = func(context.Context, directory.Connector) (time.Duration, error) { return time.Millisecond, nil }
	})
	return w
}

// open returns the sessions, once they are.
func (w *stillWorld) open(t *testing.T) []session.Info {
	t.Helper()
	w.book.turn(w.list...)
	<-time.After(10 * time.Second)
	synctest.Wait()
	all := w.manager.Sessions(time.Time{})
	require.Len(t, all, 2)
	for _, one := range all {
		require.True(t, one.Connected, one.Failure)
	}
	return all
}

// silence has connectors answer nothing until the channel is closed.
func (w *stillWorld) silence(of ...session.Info) (still chan struct{}) {
	still = make(chan struct{})
	for _, one := range of {
		w.answer[one.ConnectorID].Store(&still)
	}
	return still
}

// stand has the tunneler stand still for a time, and returns after it.
func (w *stillWorld) stand(d time.Duration) {
	w.book.stands.Store(int64(d))
	w.book.turn(w.list...)
	<-time.After(d)
}

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
				w := threeOfOneNetwork(t)
				before := w.open(t)

				const stands = time.Minute
				still := w.silence(before...)
				w.stand(stands)
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

// TestAProgramThatStandsStillAgainAndAgain, as on a machine with too little CPU time, still
// finds that a connector is silent, and leaves one alone that answers late for that reason.
func TestAProgramThatStandsStillAgainAndAgain(t *testing.T) {
	t.Parallel()
	const stands, runs = 1100 * time.Millisecond, 900 * time.Millisecond
	for name, c := range map[string]struct {
		silent int // connectors of two
		within int // standstills
	}{
		"finds the connector that is silent":   {1, 6},
		"and leaves those that answer as ever": {0, 30},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := threeOfOneNetwork(t)
				before := w.open(t)
				still := w.silence(before[:c.silent]...)
				defer close(still)
				for range c.within {
					w.stand(stands)
					<-time.After(runs)
				}
				synctest.Wait()
				after := w.manager.Sessions(time.Time{})
				if c.silent > 0 {
					require.Contains(t, after[0].Why+after[1].Why, before[0].ConnectorID+", which is down: it has not answered for ")
					return
				}
				for i, one := range after {
					require.Equal(t, before[i].ConnectorID, one.ConnectorID)
					require.Equal(t, uint64(1), one.Streams)
				}
			})
		})
	}
}

// TestASecondStandstillInOneWaitIsExcusedToo: between two short looks at its sockets a program
// may stand still for as long as before.
func TestASecondStandstillInOneWaitIsExcusedToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := threeOfOneNetwork(t)
		before := w.open(t)
		still := w.silence(before...)
		w.stand(2 * time.Second)
		<-time.After(time.Second)
		w.stand(time.Minute)
		<-time.After(500 * time.Millisecond)
		close(still)
		<-time.After(10 * time.Second)
		synctest.Wait()
		for i, one := range w.manager.Sessions(time.Time{}) {
			require.Equal(t, before[i].ConnectorID, one.ConnectorID)
			require.Equal(t, uint64(1), one.Streams)
		}
	})
}
