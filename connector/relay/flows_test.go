package relay_test

import (
	"context"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// loopback is a flow.Handler that allows everything and dials 127.0.0.1.
type loopback struct{ ended chan flow.End }

func (loopback) Open(ctx context.Context, f *flow.Flow) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(f.Target.Port))))
}

func (loopback) Recheck() int { return 0 }

func (l loopback) Ended(_ *flow.Flow, e flow.End) { l.ended <- e }

// echoing is a target that sends back what it gets.
func echoing(t *testing.T) flow.Target {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); running.Wait() })
	return flow.Target{Host: "db", Port: uint16(l.Addr().(*net.TCPAddr).Port)}
}

// roaming is a tunneler with flows.
type roaming struct {
	*flow.Pool

	own      *mtlstest.Identity
	instance flow.Instance
}

func (w *world) roam(t *testing.T) *roaming {
	t.Helper()
	r := &roaming{own: w.ca.Identity(w.ca.SVID(t, laptopID)), instance: flow.NewInstance()}
	var err error
	r.Pool, err = flow.NewPool(flow.PoolConfig{Identity: r.own, Log: zap.NewNop()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
	return r
}

// session opens one, attaches it, and returns how to end it.
func (r *roaming) session(t *testing.T, w *world) (stream zerotrustv1.TunnelService_SessionClient, end func()) {
	t.Helper()
	links := make(chan *mtls.Conn, 1)
	conn, err := grpc.NewClient("passthrough:///"+w.addr, grpc.WithTransportCredentials(mtls.ClientCredentials(
		mtls.ClientConfig(r.own, mtls.Kinds(td, identity.KindConnector)), func(c *mtls.Conn) error { links <- c; return nil })))
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	streams, over := make(chan zerotrustv1.TunnelService_SessionClient), make(chan struct{})
	go func() {
		defer close(over)
		_ = reproof.NewClient(r.own, zap.NewNop()).Around(ctx, conn, func(ctx context.Context) error {
			s, err := zerotrustv1.NewTunnelServiceClient(conn).Session(ctx)
			if err == nil {
				streams <- s
				<-ctx.Done()
			}
			return err
		})
	}()
	stream = <-streams
	require.NoError(t, stream.Send(&zerotrustv1.SessionRequest{
		Sequence: 1, Instance: r.instance[:], Heartbeat: &zerotrustv1.TunnelerHeartbeat{TunnelerId: "laptop"},
	}))
	first, err := stream.Recv()
	require.NoError(t, err)
	id, ok := flow.ParseSessionID(first.GetSessionId())
	require.True(t, ok, "the session has a name")
	detach, err := r.Attach(flow.Session{ID: id, Link: <-links, Addresses: []string{w.addr}})
	require.NoError(t, err)
	end = sync.OnceFunc(func() { detach(); cancel(); <-over; _ = conn.Close() })
	t.Cleanup(end)
	return stream, end
}

func (r *roaming) open(t *testing.T, to flow.Target) *flow.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	c, err := r.Open(ctx, to)
	require.NoError(t, err)
	return c
}

func echoes(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_, err := io.WriteString(c, text)
	require.NoError(t, err)
	got := make([]byte, len(text))
	_, err = io.ReadFull(c, got)
	require.NoError(t, err)
	require.Equal(t, text, string(got))
}

// carrying is a connector that carries flows.
func carrying(t *testing.T, opts ...option) (w *world, s *fakeStream, ended chan flow.End) {
	t.Helper()
	ca := mtlstest.NewCA(t, td)
	c := startController(t, ca, anyAddress, controllerID)
	ended = make(chan flow.End, 64)
	w = startConnector(t, ca, c.addr, append(opts, func(c *relay.Config) {
		c.Flows = func(relay.Reach, relay.RecordFlow) (relay.Carrier, error) { return loopback{ended}, nil }
	})...)
	s = c.next(t)
	s.hello(t)
	s.policy(t, 1, laptopID)
	s.applied(t, 1)
	return w, s, ended
}

func TestFlowsEndWhenTheirTunnelerIsNotAdmittedAnyMore(t *testing.T) {
	t.Parallel()
	w, s, ended := carrying(t)
	laptop := w.roam(t)
	laptop.session(t, w)
	to := echoing(t)
	c := laptop.open(t, to)
	echoes(t, c, "hello")
	require.Equal(t, 1, w.relay.FlowStatus().Flows)

	began := time.Now()
	s.policy(t, 2, phoneID)
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, flow.ErrRevoked)
	require.Less(t, time.Since(began), time.Second)
	require.ErrorIs(t, (<-ended).Reason, flow.ErrRevoked)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = laptop.Open(ctx, to)
	require.Error(t, err)
	require.Eventually(t, func() bool { return w.relay.FlowStatus().Conns == 0 }, soon, time.Millisecond)
}

func TestFlowsSurviveTheirSessionAndFollowTheNextOne(t *testing.T) {
	t.Parallel()
	w, s, _ := carrying(t)
	laptop := w.roam(t)
	_, end := laptop.session(t, w)
	c := laptop.open(t, echoing(t))
	echoes(t, c, "before")
	end()
	require.Eventually(t, func() bool { return len(w.relay.Sessions()) == 0 }, soon, time.Millisecond)
	echoes(t, c, "between")
	laptop.session(t, w)
	echoes(t, c, "after")
	s.policy(t, 2, phoneID)
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, flow.ErrRevoked, "whoever is revoked loses them, with and without a session")
}

func TestFlowsEndWithASessionThatIsNotProved(t *testing.T) {
	t.Parallel()
	w, _, ended := carrying(t)
	laptop := w.roam(t)
	laptop.session(t, w)
	c := laptop.open(t, echoing(t))
	echoes(t, c, "hello")
	laptop.own.Swap(w.ca.SVID(t, laptopID, mtlstest.Expired()))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, flow.ErrRevoked)
	require.ErrorIs(t, (<-ended).Reason, flow.ErrRevoked)
}

func TestFlowsEndWithASessionThatBreaksTheProtocol(t *testing.T) {
	t.Parallel()
	w, _, ended := carrying(t)
	laptop := w.roam(t)
	stream, _ := laptop.session(t, w)
	c := laptop.open(t, echoing(t))
	echoes(t, c, "hello")
	require.NoError(t, stream.Send(&zerotrustv1.SessionRequest{Sequence: 7}))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, flow.ErrRevoked)
	require.ErrorIs(t, (<-ended).Reason, flow.ErrRevoked)
}

func TestAnInstanceIsSixteenBytesInTheFirstMessage(t *testing.T) {
	t.Parallel()
	w, _, _ := carrying(t)
	hb := &zerotrustv1.TunnelerHeartbeat{TunnelerId: "laptop"}
	for name, messages := range map[string][]*zerotrustv1.SessionRequest{
		"too short": {{Sequence: 1, Heartbeat: hb, Instance: make([]byte, 15)}},
		"too long":  {{Sequence: 1, Heartbeat: hb, Instance: make([]byte, 17)}},
		"late":      {{Sequence: 1, Heartbeat: hb}, {Sequence: 2, Instance: make([]byte, 16)}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := w.open(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
			require.NoError(t, err)
			for _, m := range messages {
				require.NoError(t, s.Send(m))
			}
			requireStatus(t, s.ends(t), codes.InvalidArgument, "instance must be 16 bytes")
		})
	}
	t.Run("none is a session without flows", func(t *testing.T) {
		s, err := w.open(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
		require.NoError(t, err)
		require.NoError(t, s.say(true))
		m, err := s.Recv()
		require.NoError(t, err)
		require.Empty(t, m.GetSessionId())
	})
}

func TestAConnectorWithoutFlowsNamesNoSession(t *testing.T) {
	t.Parallel()
	w, _, _ := linked(t, laptopID)
	s, err := w.open(t, w.ca.Identity(w.ca.SVID(t, laptopID)), "laptop")
	require.NoError(t, err)
	require.NoError(t, s.Send(&zerotrustv1.SessionRequest{
		Sequence: 1, Instance: make([]byte, 16), Heartbeat: &zerotrustv1.TunnelerHeartbeat{TunnelerId: "laptop"},
	}))
	m, err := s.Recv()
	require.NoError(t, err)
	require.Empty(t, m.GetSessionId())
	require.Zero(t, w.relay.FlowStatus())
	_, _, err = w.flowConn(t, laptopID)
	require.ErrorContains(t, err, "no application protocol")
}

// flowConn is a flow connection that is not bound.
func (w *world) flowConn(t *testing.T, id string) (net.Conn, *mtls.Conn, error) {
	t.Helper()
	raw, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", w.addr)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	return mtls.DialFlow(ctx, raw, mtls.ClientConfig(w.ca.Identity(w.ca.SVID(t, id)), mtls.Kinds(td, identity.KindConnector)))
}

func TestAFlowConnectionOfWhoIsNotAdmittedIsCut(t *testing.T) {
	t.Parallel()
	w, _, _ := carrying(t)
	c, of, err := w.flowConn(t, phoneID)
	if err == nil {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(soon)))
		began := time.Now()
		_, err = c.Read(make([]byte, 1))
		require.Less(t, time.Since(began), 5*time.Second, "before it had to be bound")
		of.Close(nil)
	}
	require.Error(t, err)
}

// TestATunnelerThatBreaksTheFlowProtocolAgainAndAgainFillsNoLog: the audit log counts each time.
func TestATunnelerThatBreaksTheFlowProtocolAgainAndAgainFillsNoLog(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.WarnLevel)
	w, s, _ := carrying(t, func(c *relay.Config) { c.Log, c.Timing.Refusals = zap.New(core), 100*time.Millisecond })
	const times = 25
	for range times {
		c, of, err := w.flowConn(t, laptopID)
		require.NoError(t, err)
		_, err = c.Write(make([]byte, flow.HeaderSize)) // of type 0, which there is not
		require.NoError(t, err)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(soon)))
		_, err = io.ReadAll(c)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "it is cut")
		of.Close(nil)
	}
	for total := uint64(0); total < times; {
		for _, r := range s.until(t, "refusals", func(m *zerotrustv1.ConnectRequest) bool { return m.GetRefusals() != nil }).GetRefusals().GetRefusals() {
			require.Equal(t, laptopID, r.GetSpiffeId())
			require.Contains(t, r.GetReason(), "broke the flow protocol")
			total += r.GetCount()
		}
	}
	lines := logs.FilterMessage("tunneler broke the flow protocol, connection closed").Len()
	require.GreaterOrEqual(t, lines, 10)
	require.Less(t, lines, times/2+2)
}

// TestARevokedTunnelerOpensNothingOnALostSession: it is taken for new flows for seconds, and
// belongs to nobody whom a sweep of the sessions finds.
func TestARevokedTunnelerOpensNothingOnALostSession(t *testing.T) {
	t.Parallel()
	w, s, _ := carrying(t)
	laptop := w.roam(t)
	_, end := laptop.session(t, w)
	to := echoing(t)
	c := laptop.open(t, to)
	echoes(t, c, "hello")
	end()
	require.Eventually(t, func() bool { return len(w.relay.Sessions()) == 0 }, soon, time.Millisecond)
	echoes(t, c, "flows wait for the next session")
	s.policy(t, 2, phoneID)
	s.applied(t, 2)
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err, "the open flow ends")
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := laptop.Open(ctx, to)
		cancel()
		require.Error(t, err)
	}
}
