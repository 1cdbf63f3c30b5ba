package session_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// gate is an address that leads to others, by turns: a NAT, or a balancer.
type gate struct {
	addr string
	to   []string
	next atomic.Int64
	open atomic.Bool
}

func newGate(t *testing.T, to ...string) *gate {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &gate{addr: l.Addr().String(), to: to}
	g.open.Store(true)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { g.pass(in) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); running.Wait() })
	return g
}

func (g *gate) pass(in net.Conn) {
	defer func() { _ = in.Close() }()
	if !g.open.Load() {
		return
	}
	n := int(g.next.Add(1) - 1)
	out, err := net.Dial("tcp", g.to[n%len(g.to)]) //nolint:noctx // ends with its peer
	if err != nil {
		return
	}
	defer func() { _ = out.Close() }()
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(out, in); _ = out.Close() }()
	_, _ = io.Copy(in, out)
	_ = in.Close()
	<-done
}

// by sets CONNECTOR_ADDR.
func by(addr string) func(*session.Config) {
	return func(c *session.Config) { c.ConnectorAddr = addr }
}

func (w *world) info(id string) session.Info {
	for _, i := range w.manager.Sessions(time.Time{}) {
		if i.ConnectorID == id {
			return i
		}
	}
	return session.Info{}
}

func (w *world) connected(t *testing.T, id, addr string) {
	t.Helper()
	require.Eventually(t, func() bool {
		i := w.info(id)
		return i.Connected && i.Address == addr
	}, soon, time.Millisecond, "%s at %s", id, addr)
}

func TestConnectorAddr(t *testing.T) {
	t.Parallel()
	t.Run("is tried first, and its session is that of whoever answers", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		a, b := startConnector(t, ca, connectorSVID(t, ca, "a"), false), startConnector(t, ca, connectorSVID(t, ca, "b"), false)
		g := newGate(t, b.addr)
		w := start(t, ca, by(g.addr))
		w.book.turn(at("a", a.addr), at("b", b.addr))
		w.connected(t, "b", g.addr)
		w.connected(t, "a", a.addr) // it limits nothing
		require.NoError(t, w.manager.AddrReady(t.Context()))
		require.Equal(t, "connector b answers at "+g.addr, w.manager.ExplainAddr())
		require.Equal(t, session.Status{Open: 2, Wanted: 2}, w.manager.Status())
		b.beat(t)
		require.Empty(t, b.beats, "one session")
		require.Empty(t, b.ended)
	})
	t.Run("may be a name that nobody lists, also when there are more connectors", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		a := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
		_, port, err := net.SplitHostPort(a.addr)
		require.NoError(t, err)
		name := "localhost:" + port
		w := start(t, ca, by(name))
		w.book.turn(at("a")) // behind a NAT: it knows no address of its own
		w.connected(t, "a", name)
		b := startConnector(t, ca, connectorSVID(t, ca, "b"), false)
		w.book.turn(at("a"), at("b", b.addr))
		w.connected(t, "b", b.addr)
		require.Empty(t, a.ended, "the session with a went on")
		a.hang <- nil // and comes back
		a.end(t)
		w.connected(t, "a", name)
		require.NoError(t, w.manager.AddrReady(t.Context()))
	})
	t.Run("may lead to another connector each time", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		a, b := startConnector(t, ca, connectorSVID(t, ca, "a"), false), startConnector(t, ca, connectorSVID(t, ca, "b"), false)
		g := newGate(t, a.addr, b.addr)
		w := start(t, ca, by(g.addr))
		w.book.turn(at("a"), at("b"))
		w.connected(t, "a", g.addr)
		a.beat(t)
		a.hang <- nil
		w.connected(t, "b", g.addr)
	})
	t.Run("is named when nobody answers there, and the other sessions live", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		a := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
		w := start(t, ca, by("127.0.0.1:1"), func(c *session.Config) { c.HeadStart = time.Hour })
		w.book.turn(at("a", a.addr))
		w.connected(t, "a", a.addr) // at once, not after the head start
		w.ready(t)
		require.ErrorContains(t, w.manager.AddrReady(t.Context()), "no connector of the directory answers at CONNECTOR_ADDR 127.0.0.1:1: ")
	})
	t.Run("delays nobody for longer than its head start", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		a := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // takes connections, and says nothing
		require.NoError(t, err)
		defer func() { _ = l.Close() }()
		w := start(t, ca, by(l.Addr().String()), func(c *session.Config) { c.HeadStart = 50 * time.Millisecond })
		w.book.turn(at("a", a.addr))
		w.connected(t, "a", a.addr)
	})
	t.Run("has nobody to look for in an empty directory", func(t *testing.T) {
		t.Parallel()
		ca := mtlstest.NewCA(t, td)
		a := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
		w := start(t, ca, by(a.addr))
		w.book.turn()
		require.NoError(t, w.manager.Alive(t.Context()))
		require.ErrorIs(t, w.manager.Ready(t.Context()), session.ErrNoConnector)
		require.NoError(t, w.manager.AddrReady(t.Context()))
		w.book.turn(at("a"))
		w.connected(t, "a", a.addr)
		w.book.turn()
		a.end(t)
		require.Eventually(t, func() bool { return w.manager.Status() == session.Status{} }, soon, time.Millisecond)
	})
}

// TestOneSessionPerConnector: the addresses of the directory and CONNECTOR_ADDR may
// lead to the same connector, which would end one session for the other.
func TestOneSessionPerConnector(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	a := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
	g := newGate(t, a.addr)
	g.open.Store(false)
	w := start(t, ca, by(g.addr), func(c *session.Config) { c.HeadStart = 10 * time.Millisecond })
	w.book.turn(at("a", a.addr))
	w.connected(t, "a", a.addr)
	require.Eventually(t, func() bool { return w.manager.AddrReady(t.Context()) != nil }, soon, time.Millisecond)
	a.beat(t)

	g.open.Store(true)
	require.Eventually(t, func() bool { return w.manager.AddrReady(t.Context()) == nil }, 2*soon, time.Millisecond, "the same connector answers there now")
	w.connected(t, "a", a.addr)
	require.Empty(t, a.beats, "no second session began")
	require.Equal(t, uint64(1), w.info("a").Streams)

	a.hang <- nil
	a.beat(t)
	require.Eventually(t, func() bool { return w.info("a").Connected }, soon, time.Millisecond)
	require.Empty(t, a.beats, "one again, by either address")
}

// TestTheDoorLooksAgainBeforeItRests: a session that ended before it rests has found
// nothing to wake, and nobody else will.
func TestTheDoorLooksAgainBeforeItRests(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ca := mtlstest.NewCA(t, td)
	m, err := session.New(session.Config{
		ID: "laptop", Version: "1.2.3", Identity: ca.Identity(ca.SVID(t, laptop)), Directory: &book{}, ConnectorAddr: l.Addr().String(),
		Heartbeat: time.Hour, Log: zap.NewNop(),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- session.RunDoor(ctx, m) }()
	dialed := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err == nil {
			err = conn.Close()
		}
		dialed <- err
	}()
	select {
	case err := <-dialed:
		require.NoError(t, err)
	case <-time.After(soon):
		require.Fail(t, "it rests for ever")
	}
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, l.Close())
}

func TestConnectorAddrIsNoWayAroundTheDirectory(t *testing.T) {
	t.Parallel()
	ca, foreign := mtlstest.NewCA(t, td), mtlstest.NewCA(t, td)
	for name, c := range map[string]struct {
		svid *x509svid.SVID
		id   string // CONNECTOR_ID
		says string
	}{
		"an enrolled connector that the directory does not list": {connectorSVID(t, ca, "b"), "", `peer is spiffe://mycorp.internal/connector/b, which the directory does not list`},
		"a listed connector that CONNECTOR_ID does not name":     {connectorSVID(t, ca, "c"), "a", `CONNECTOR_ID is a`},
		"a former holder of a listed id":                         {connectorSVID(t, ca, "a", mtlstest.Since(time.Now().Add(-time.Hour))), "", "held the connector's id before and was revoked"},
		"a tunneler":                                             {ca.SVID(t, "spiffe://mycorp.internal/tunneler/a"), "", "does not list"},
		"a controller":                                           {ca.SVID(t, "spiffe://mycorp.internal/controller/a"), "", "does not list"},
		"another trust domain":                                   {ca.SVID(t, "spiffe://other.internal/connector/a"), "", ""},
		"an expired SVID":                                        {connectorSVID(t, ca, "a", mtlstest.Expired()), "", ""},
		"another authority":                                      {foreign.SVID(t, "spiffe://mycorp.internal/connector/a"), "", ""},
		"the identity in CN and DNS only":                        {connectorSVID(t, ca, "a", mtlstest.NameOnly()), "", ""},
		"no SVID":                                                {nil, "", ""},
	} {
		t.Run("so it does not lead to "+name, func(t *testing.T) {
			t.Parallel()
			good := startConnector(t, ca, connectorSVID(t, ca, "a"), false)
			evil := startConnector(t, ca, c.svid, false)
			w := start(t, ca, by(evil.addr), func(cfg *session.Config) { cfg.ConnectorID = c.id })
			listed := at("a", good.addr)
			listed.SVIDNotBefore = time.Now().Add(-30 * time.Minute)
			w.book.turn(listed, at("c"))
			w.connected(t, "a", good.addr)
			var err error
			require.Eventually(t, func() bool {
				err = w.manager.AddrReady(t.Context())
				return err != nil && strings.Contains(err.Error(), "no connector of the directory answers at CONNECTOR_ADDR "+evil.addr)
			}, soon, time.Millisecond)
			require.ErrorContains(t, err, c.says)
			require.Empty(t, evil.beats)
			require.NoError(t, w.manager.Ready(t.Context()))
		})
	}
}
