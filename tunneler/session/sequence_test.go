package session_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/test/bufconn"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

func TestTheTunnelerLeavesAConnectorOutOfSequence(t *testing.T) {
	t.Parallel()
	out := func(got, due uint64) *wire.SequenceError { return &wire.SequenceError{Got: got, Due: due} }
	for name, c := range map[string]struct {
		third  []*zerotrustv1.SessionResponse // the answer to the third message
		fault  *wire.SequenceError
		unsent *session.UnsentError
	}{
		"whose message has no number":        {third: []*zerotrustv1.SessionResponse{ack(0, 3)}, fault: out(0, 3)},
		"whose messages have a gap":          {third: []*zerotrustv1.SessionResponse{ack(4, 3)}, fault: out(4, 3)},
		"that repeats a message":             {third: []*zerotrustv1.SessionResponse{ack(2, 3)}, fault: out(2, 3)},
		"that acknowledges nothing":          {third: []*zerotrustv1.SessionResponse{ack(3, 0)}, fault: out(0, 3)},
		"that says something else":           {third: []*zerotrustv1.SessionResponse{{Sequence: 3}}, fault: out(0, 3)},
		"that acknowledges a message twice":  {third: []*zerotrustv1.SessionResponse{ack(3, 2)}, fault: out(2, 3)},
		"that acknowledges what is not sent": {third: []*zerotrustv1.SessionResponse{ack(3, 1000)}, unsent: &session.UnsentError{Acknowledged: 1000, Sent: 3}},
		"that passes over a message":         {third: nil, fault: out(4, 3)}, // seen at the answer to the fourth
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := mtlstest.NewCA(t, td)
			f := startConnector(t, ca, connectorSVID(t, ca, "a"), false, func(f *fakeConnector) {
				f.answer = func(n uint64) []*zerotrustv1.SessionResponse {
					switch {
					case n < 3:
						return []*zerotrustv1.SessionResponse{ack(n, n)}
					case n == 3:
						return c.third
					default:
						return []*zerotrustv1.SessionResponse{ack(3, n)}
					}
				}
			})
			w := start(t, ca, func(c *session.Config) { c.Probe = 200 * time.Millisecond })
			w.book.turn(at("a", f.addr))
			f.end(t)
			var err error
			require.Eventually(t, func() bool { err = w.manager.Ready(t.Context()); return err != nil }, soon, time.Millisecond)
			require.ErrorContains(t, err, "out of sequence")
			if c.unsent != nil {
				var unsent *session.UnsentError
				require.ErrorAs(t, err, &unsent)
				require.Equal(t, c.unsent, unsent)
			} else {
				var broken *wire.SequenceError
				require.ErrorAs(t, err, &broken)
				require.Equal(t, c.fault, broken)
			}
			infos := w.manager.Sessions(time.Time{})
			require.Len(t, infos, 1)
			require.NotZero(t, infos[0].Disordered)
			require.NotZero(t, infos[0].Lost)
		})
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	t.Run("flow between heartbeats and are counted", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		f := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
		w := start(t, ca, func(c *session.Config) { c.Probe = time.Millisecond })
		w.book.turn(at("a", f.addr))
		begin := time.Now()
		var info session.Info
		require.Eventually(t, func() bool {
			infos := w.manager.Sessions(time.Time{})
			if len(infos) == 1 {
				info = infos[0]
			}
			return info.Acknowledged >= 50
		}, soon, time.Millisecond)
		f.beat(t)
		require.Empty(t, f.beats, "one heartbeat")
		require.GreaterOrEqual(t, f.probes.Load(), int64(49))
		require.True(t, info.Connected)
		require.Equal(t, "a", info.ConnectorID)
		require.Equal(t, uint64(1), info.Streams)
		require.Zero(t, info.Lost)
		require.Zero(t, info.Disordered)
		require.NotEmpty(t, info.Socket)
		require.NotEmpty(t, info.Serial)
		for _, longest := range []time.Duration{info.LongestAnswer, info.LongestSilence} {
			require.Positive(t, longest)
			require.Less(t, longest, time.Since(begin))
		}
	})
	t.Run("wait for a connector that stands still", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		f := startConnector(t, ca, connectorSVID(t, ca, "a"), true)
		w := start(t, ca, func(c *session.Config) { c.Probe = time.Millisecond; c.Heartbeat = 500 * time.Millisecond })
		w.book.turn(at("a", f.addr))
		f.end(t)
		var info session.Info
		require.Eventually(t, func() bool {
			info = w.manager.Sessions(time.Time{})[0]
			return info.Lost >= 16
		}, soon, time.Millisecond)
		require.LessOrEqual(t, info.Sent, info.Streams*(16+2), "sixteen, and heartbeats")
	})
}

func TestAStallIsMeasured(t *testing.T) {
	t.Parallel()
	const stall = 300 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		ca := mtlstest.NewCA(t, td) // of the time of the bubble
		l := bufconn.Listen(64 << 10)
		serveConnector(t, ca, l, connectorSVID(t, ca, "a"), false, func(f *fakeConnector) {
			f.answer = func(n uint64) []*zerotrustv1.SessionResponse {
				if n == 5 {
					<-time.After(stall)
				}
				return []*zerotrustv1.SessionResponse{ack(n, n)}
			}
		})
		w := start(t, ca, func(c *session.Config) {
			c.Probe = 10 * time.Millisecond
			c.Dial = func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }
		})
		w.book.turn(at("a", "a"))
		<-time.After(time.Second)
		synctest.Wait()
		for name, since := range map[string]time.Time{"of all time": {}, "of the last minute": time.Now().Add(-time.Minute)} {
			info := w.manager.Sessions(since)[0]
			require.GreaterOrEqual(t, info.LongestAnswer, stall, name)
			require.GreaterOrEqual(t, info.LongestSilence, stall, name)
			require.Zero(t, info.Lost, name)
		}
		later := w.manager.Sessions(time.Now().Add(time.Minute))[0]
		require.Less(t, later.LongestAnswer, stall, "whoever asks for a later time hears nothing of it")
		require.Less(t, later.LongestSilence, stall)
	})
}
