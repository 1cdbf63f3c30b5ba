package flow_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// raw is a flow connection whose end says what it likes.
type raw struct {
	net.Conn

	of     *mtls.Conn
	socket *net.TCPConn
}

func dialRaw(t testing.TB, own mtls.Identity, g *gateway) *raw {
	t.Helper()
	socket, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", g.addr)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	conn, of, err := mtls.DialFlow(ctx, socket, mtls.ClientConfig(own, mtls.Kinds(td, identity.KindConnector)))
	require.NoError(t, err)
	t.Cleanup(func() { of.Close(nil) })
	require.NoError(t, conn.SetDeadline(time.Now().Add(soon)))
	return &raw{conn, of, socket.(*net.TCPConn)}
}

// claim is what binds r to the session, by whoever has this connection of it.
func (r *raw) claim(t testing.TB, id flow.SessionID, link *mtls.Conn, change ...func(*flow.Binding)) []byte {
	t.Helper()
	key, err := link.Derive(flow.KeyLabel)
	require.NoError(t, err)
	value, err := r.of.Derive(flow.ConnectionLabel)
	require.NoError(t, err)
	b := flow.Binding{Role: flow.RoleTunneler, Session: id, Tunneler: r.of.Self(), Connector: r.of.Peer(), Connection: value}
	for _, c := range change {
		c(&b)
	}
	return flow.Claim{Session: id, MAC: b.MAC(flow.Key(key))}.AppendClaim(nil)
}

func (r *raw) send(t testing.TB, typ flow.Type, payload ...byte) {
	t.Helper()
	_, err := r.Write(flow.Append(nil, typ, payload...))
	require.NoError(t, err)
}

// next is the next frame.
func (r *raw) next() (flow.Type, []byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	h, err := flow.ParseHeader(head)
	if err != nil {
		return 0, nil, err
	}
	payload := make([]byte, h.Length)
	_, err = io.ReadFull(r, payload)
	return h.Type, payload, err
}

func (r *raw) expect(t testing.TB, typ flow.Type, payload ...byte) {
	t.Helper()
	got, p, err := r.next()
	require.NoError(t, err)
	require.Equal(t, typ, got)
	require.Equal(t, append([]byte{}, payload...), p)
}

// isCut expects the end, with this code.
func (r *raw) isCut(t testing.TB, code flow.Code) {
	t.Helper()
	for {
		typ, p, err := r.next()
		require.NoError(t, err, "a reset with code %d is due", code)
		if typ == flow.TypeReset {
			require.Equal(t, code, flow.Code(p[0]), "%v", flow.Code(p[0]).Err())
			break
		}
	}
	_, _, err := r.next()
	require.Error(t, err)
	var timeout net.Error
	require.False(t, errors.As(err, &timeout) && timeout.Timeout(), "it is open still")
}

func TestOnlyASessionsOwnTunnelerBindsToIt(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g, p := startGateway(t, ca, "gw"), startLaptop(t, ca)
	s, foreign := p.half(t, g), p.half(t, g)
	_, err := g.Attach(flow.Accepted{ID: s.id, Instance: p.instance, Link: s.far})
	require.NoError(t, err)
	thief := ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/tunneler/thief"))
	for name, c := range map[string]struct {
		own   mtls.Identity
		claim func(r *raw) []byte
	}{
		"of no such session":              {p.identity, func(r *raw) []byte { return r.claim(t, flow.NewSessionID(), s.near) }},
		"with the key of another session": {p.identity, func(r *raw) []byte { return r.claim(t, s.id, foreign.near) }},
		"made for another connection":     {p.identity, func(*raw) []byte { return dialRaw(t, p.identity, g).claim(t, s.id, s.near) }},
		"of another tunneler":             {thief, func(r *raw) []byte { return r.claim(t, s.id, s.near) }},
		"of another tunneler, in the name of the first": {thief, func(r *raw) []byte {
			return r.claim(t, s.id, s.near, func(b *flow.Binding) { b.Tunneler = s.near.Self() })
		}},
		"of a session that is not accepted": {p.identity, func(r *raw) []byte { return r.claim(t, foreign.id, foreign.near) }},
		"of another role":                   {p.identity, func(r *raw) []byte { return r.claim(t, s.id, s.near, func(b *flow.Binding) { b.Role = 2 }) }},
		"without a MAC":                     {p.identity, func(*raw) []byte { return append(s.id[:], make([]byte, 32)...) }},
	} {
		if !t.Run(name, func(t *testing.T) {
			r := dialRaw(t, c.own, g)
			before := len(g.faults())
			r.send(t, flow.TypeBind, c.claim(r)...)
			r.isCut(t, flow.CodeUnbound)
			eventually(t, "a record", func() bool { return len(g.faults()) > before })
			require.ErrorIs(t, g.faults()[before], flow.ErrBinding)
		}) {
			return // the others would wait as long
		}
	}
	r := dialRaw(t, p.identity, g)
	r.send(t, flow.TypeBind, r.claim(t, s.id, s.near)...)
	to := target(t, echo)
	r.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
	r.expect(t, flow.TypeSeen)
	r.expect(t, flow.TypeResult, 0)
}

// bound is a connection that is bound.
func (p *laptop) bound(t testing.TB, g *gateway, s *session) *raw {
	t.Helper()
	r := dialRaw(t, p.identity, g)
	r.send(t, flow.TypeBind, r.claim(t, s.id, s.near)...)
	return r
}

func TestWhateverComesOutOfOrderEndsThisConnectionOnly(t *testing.T) {
	t.Parallel()
	p, g, s := pair(t)
	to := target(t, echo)
	good := p.dial(t, to)
	open := func(r *raw) {
		r.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
		r.expect(t, flow.TypeSeen)
		r.expect(t, flow.TypeResult, 0)
	}
	for name, say := range map[string]func(t *testing.T) *raw{
		"an open before the bind": func(t *testing.T) *raw {
			r := dialRaw(t, p.identity, g)
			r.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
			return r
		},
		"a second bind": func(t *testing.T) *raw {
			r := p.bound(t, g, s)
			r.send(t, flow.TypeBind, r.claim(t, s.id, s.near)...)
			return r
		},
		"a bind within a flow": func(t *testing.T) *raw {
			r := p.bound(t, g, s)
			open(r)
			r.send(t, flow.TypeBind, r.claim(t, s.id, s.near)...)
			return r
		},
		"an open on a busy connection": func(t *testing.T) *raw {
			r := p.bound(t, g, s)
			open(r)
			r.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
			return r
		},
		"data without a flow": func(t *testing.T) *raw {
			r := p.bound(t, g, s)
			r.send(t, flow.TypeData, 'x')
			return r
		},
		"data before the result": func(t *testing.T) *raw {
			g.handler.instead(untilCut) // or the target may be connected by the time that the data is read
			t.Cleanup(func() { g.handler.instead(nil) })
			r := p.bound(t, g, s)
			_, err := r.Write(flow.Append(flow.Append(nil, flow.TypeOpen, to.AppendOpen(nil)...), flow.TypeData, 'x'))
			require.NoError(t, err)
			return r
		},
		"data after the fin": func(t *testing.T) *raw {
			r := p.bound(t, g, s)
			open(r)
			_, err := r.Write(flow.Append(flow.Append(nil, flow.TypeFin), flow.TypeData, 'x'))
			require.NoError(t, err)
			return r
		},
		"a result of a tunneler": func(t *testing.T) *raw {
			r := p.bound(t, g, s)
			r.send(t, flow.TypeResult, 0)
			return r
		},
		"an oversized frame": func(t *testing.T) *raw {
			r := p.bound(t, g, s)
			open(r)
			_, err := r.Write([]byte{5, 4, 0, 0})
			require.NoError(t, err)
			return r
		},
		"a reserved type": func(t *testing.T) *raw {
			r := p.bound(t, g, s)
			r.send(t, flow.TypeDatagram, 'x')
			return r
		},
		"a challenge": func(t *testing.T) *raw {
			r := p.bound(t, g, s)
			r.send(t, flow.TypeChallenge, make([]byte, 48)...)
			return r
		},
		"a target in another form": func(t *testing.T) *raw {
			r := p.bound(t, g, s)
			r.send(t, flow.TypeOpen, flow.Target{Host: "DB", Port: 1}.AppendOpen(nil)...)
			return r
		},
		"a reset without a reason": func(t *testing.T) *raw {
			r := p.bound(t, g, s)
			r.send(t, flow.TypeReset, 0)
			return r
		},
		"HTTP": func(t *testing.T) *raw {
			r := dialRaw(t, p.identity, g)
			_, err := io.WriteString(r, "GET / HTTP/1.1\r\nHost: db\r\n\r\n")
			require.NoError(t, err)
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(g.faults())
			say(t).isCut(t, flow.CodeProtocol)
			eventually(t, "a record", func() bool { return len(g.faults()) > before })
		})
	}
	say(t, good, "untouched")
	hear(t, good, "untouched")
	require.NoError(t, good.Close())
}

func TestATruncatedFrameEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	p, g, s := pair(t)
	r := p.bound(t, g, s)
	to := target(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	r.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
	r.expect(t, flow.TypeSeen)
	r.expect(t, flow.TypeResult, 0)
	_, err := r.Write(append([]byte{5, 0, 1, 0}, "not 256 bytes"...))
	require.NoError(t, err)
	require.NoError(t, r.Close())
	e := g.handler.end(t)
	require.ErrorIs(t, e.Reason, io.EOF, "and not a flow that ended in order")
	require.True(t, e.Connected)
}

func TestAnotherKeyExchangeIsRefused(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	c := mtls.ClientConfig(p.identity, mtls.Kinds(td, identity.KindConnector))
	c.NextProtos, c.CurvePreferences = []string{mtls.FlowALPN}, []tls.CurveID{tls.X25519}
	conn, err := dialTLS(t, g.addr, c)
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
		_ = conn.Close()
	}
	require.Error(t, err)
	c.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768}
	conn, err = dialTLS(t, g.addr, c)
	require.NoError(t, err)
	require.Equal(t, mtls.FlowALPN, conn.ConnectionState().NegotiatedProtocol)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = conn.Read(make([]byte, 1))
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout(), "this one may stay")
	_ = conn.Close()
}

func TestWhoIsNotBoundInTimeIsCut(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g := startGateway(t, ca, "gw", func(c *flow.AcceptorConfig) { c.Bind = 50 * time.Millisecond })
	r := dialRaw(t, ca.Identity(ca.SVID(t, tunnelerID)), g)
	r.isCut(t, flow.CodeProtocol)
	eventually(t, "it is forgotten", func() bool { return g.Status() == flow.AcceptorStatus{} })
}

func TestEachTunnelerHasLimits(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g := startGateway(t, ca, "gw", func(c *flow.AcceptorConfig) {
		c.Limits = flow.Limits{UnboundOf: 2, ConnsOf: 4, FlowsOf: 1}
	})
	p := startLaptop(t, ca, func(c *flow.PoolConfig) { c.Warm = 1 })
	s := p.half(t, g)
	_, err := g.Attach(flow.Accepted{ID: s.id, Instance: p.instance, Link: s.far})
	require.NoError(t, err)
	a, b := dialRaw(t, p.identity, g), dialRaw(t, p.identity, g)
	eventually(t, "two that are not bound", func() bool { return g.Status().Unbound == 2 })
	dialRaw(t, p.identity, g).isTurnedAway(t)
	other := ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/tunneler/other"))
	dialRaw(t, other, g)
	eventually(t, "another tunneler has limits of its own", func() bool { return g.Status().Unbound == 3 })

	for _, r := range []*raw{a, b} {
		r.send(t, flow.TypeBind, r.claim(t, s.id, s.near)...)
	}
	eventually(t, "both are bound", func() bool { return g.Status().Unbound == 1 })
	to := target(t, echo)
	a.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
	a.expect(t, flow.TypeSeen)
	a.expect(t, flow.TypeResult, 0)
	b.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
	b.expect(t, flow.TypeSeen)
	b.expect(t, flow.TypeResult, byte(flow.CodeBusy))
	require.Equal(t, 1, g.handler.count(), "nothing was dialed")
	a.send(t, flow.TypeFin)
	a.expect(t, flow.TypeFin)
	eventually(t, "the flow is over", func() bool { return g.Status().Flows == 0 })
	b.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
	b.expect(t, flow.TypeSeen)
	b.expect(t, flow.TypeResult, 0)

	dialRaw(t, p.identity, g)
	dialRaw(t, p.identity, g)
	eventually(t, "all four", func() bool { return g.Status().Unbound == 3 })
	dialRaw(t, p.identity, g).isTurnedAway(t)
}

// isTurnedAway expects a connection to be closed without a word.
func (r *raw) isTurnedAway(t testing.TB) {
	t.Helper()
	_, _, err := r.next()
	require.Error(t, err)
	var timeout net.Error
	require.False(t, errors.As(err, &timeout) && timeout.Timeout())
}

// TestAllTunnelersTogetherHaveLimits: many of them hold no more than that, whatever each may.
func TestAllTunnelersTogetherHaveLimits(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	other := ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/tunneler/other"))
	begin := func(t *testing.T, l flow.Limits) (*gateway, *laptop, *session) {
		t.Helper()
		g := startGateway(t, ca, "gw", func(c *flow.AcceptorConfig) { c.Limits = l })
		p := startLaptop(t, ca)
		s := p.half(t, g)
		_, err := g.Attach(flow.Accepted{ID: s.id, Instance: p.instance, Link: s.far})
		require.NoError(t, err)
		return g, p, s
	}
	t.Run("of connections that are not bound", func(t *testing.T) {
		t.Parallel()
		g, p, s := begin(t, flow.Limits{Unbound: 2})
		first := dialRaw(t, p.identity, g)
		dialRaw(t, other, g)
		eventually(t, "both", func() bool { return g.Status().Unbound == 2 })
		dialRaw(t, other, g).isTurnedAway(t)
		first.send(t, flow.TypeBind, first.claim(t, s.id, s.near)...)
		eventually(t, "one is bound", func() bool { return g.Status().Unbound == 1 })
		dialRaw(t, other, g)
		eventually(t, "there is room again", func() bool { return g.Status().Unbound == 2 })
	})
	t.Run("of connections", func(t *testing.T) {
		t.Parallel()
		g, p, _ := begin(t, flow.Limits{Conns: 2})
		dialRaw(t, p.identity, g)
		dialRaw(t, other, g)
		eventually(t, "both", func() bool { return g.Status().Conns == 2 })
		dialRaw(t, other, g).isTurnedAway(t)
	})
	t.Run("of flows", func(t *testing.T) {
		t.Parallel()
		g, p, s := begin(t, flow.Limits{Flows: 1})
		to := target(t, echo)
		for _, code := range []flow.Code{flow.CodeOK, flow.CodeBusy} {
			r := p.bound(t, g, s)
			r.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
			r.expect(t, flow.TypeSeen)
			r.expect(t, flow.TypeResult, byte(code))
		}
	})
}

// TestATunnelerThatIsRevokedMeanwhileIsToldSo: an open that comes before Sweep does.
func TestATunnelerThatIsRevokedMeanwhileIsToldSo(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	var revoked atomic.Bool
	g := startGateway(t, ca, "gw", func(c *flow.AcceptorConfig) {
		c.Admit = func(*mtls.Conn) error {
			if revoked.Load() {
				return errTest
			}
			return nil
		}
	})
	p := startLaptop(t, ca)
	s := p.half(t, g)
	_, err := g.Attach(flow.Accepted{ID: s.id, Instance: p.instance, Link: s.far})
	require.NoError(t, err)
	unbound, r := dialRaw(t, p.identity, g), p.bound(t, g, s)
	eventually(t, "both are there", func() bool { return g.Status().Conns == 2 && g.Status().Unbound == 1 })
	revoked.Store(true)
	r.send(t, flow.TypeOpen, target(t, echo).AppendOpen(nil)...)
	r.isCut(t, flow.CodeRevoked)
	unbound.send(t, flow.TypeBind, unbound.claim(t, s.id, s.near)...)
	unbound.isCut(t, flow.CodeRevoked)
	require.Zero(t, g.handler.count(), "nothing was dialed")
}

func TestAnOpenWhoseTunnelerHasGoneIsNotDialed(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g, p := startGateway(t, ca, "gw"), startLaptop(t, ca)
	s := p.half(t, g)
	_, err := g.Attach(flow.Accepted{ID: s.id, Instance: p.instance, Link: s.far})
	require.NoError(t, err)
	to := target(t, echo)
	for _, gone := range []bool{true, false} {
		r := p.bound(t, g, s)
		eventually(t, "bound", func() bool { return g.Status().Conns == 1 && g.Status().Unbound == 0 })
		cork(t, r.socket) // what is sent arrives together with the end, as at a connector that stood still
		r.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
		if gone {
			require.NoError(t, r.socket.Close())
			eventually(t, "its end", func() bool { return g.Status().Conns == 0 })
			require.Zero(t, g.handler.count())
			continue
		}
		eventually(t, "a dial", func() bool { return g.handler.count() == 1 })
	}
}

func cork(t testing.TB, c *net.TCPConn) {
	t.Helper()
	k, err := c.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, k.Control(func(fd uintptr) {
		require.NoError(t, unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, 1))
	}))
}

func dialTLS(t *testing.T, address string, c *tls.Config) (*tls.Conn, error) {
	t.Helper()
	conn, err := (&tls.Dialer{Config: c}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	return conn.(*tls.Conn), nil
}

// TestATunnelerDoesNotChooseWhatItsRecordSays: whatever it resets a flow with, its connector
// notes that it ended it.
func TestATunnelerDoesNotChooseWhatItsRecordSays(t *testing.T) {
	t.Parallel()
	p, g, s := pair(t)
	to := target(t, echo)
	for code := flow.CodeRefused; code <= flow.LastCode; code++ {
		r := p.bound(t, g, s)
		r.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
		r.expect(t, flow.TypeSeen)
		r.expect(t, flow.TypeResult, 0)
		r.send(t, flow.TypeReset, byte(code))
		e := g.handler.end(t)
		require.True(t, e.Connected)
		require.ErrorIs(t, e.Reason, flow.ErrAborted)
		require.Equal(t, flow.CodeAborted, flow.CodeOf(e.Reason))
	}
}

// TestACutThatComesLateEndsNoOtherFlow: the connection of a flow that is over carries the next.
func TestACutThatComesLateEndsNoOtherFlow(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	to := target(t, echo)
	c := p.dial(t, to)
	first := g.handler.last()
	require.NoError(t, c.CloseWrite())
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, c.Close())
	g.handler.end(t)
	next := p.dial(t, to)
	require.Same(t, first.Conn, g.handler.last().Conn, "one connection carries both")
	first.Cut(flow.ErrRevoked)
	require.NoError(t, next.SetReadDeadline(time.Now().Add(500*time.Millisecond)))
	_, err = next.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "nothing ends it")
}
