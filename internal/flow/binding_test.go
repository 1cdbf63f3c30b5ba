package flow_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

func TestTheFlowsOfALostSessionWaitForItsSuccessor(t *testing.T) {
	t.Parallel()
	p, g, s := pair(t)
	to := target(t, echo)
	c := p.dial(t, to)
	say(t, c, "before")
	hear(t, c, "before")
	// A connection that is being made would bind to the session that is about to be lost.
	eventually(t, "all are bound", func() bool { return p.Status().Idle == 2 && s.ticket.Conns() == 3 })

	s.close()
	s.ticket.Lost()
	s.detach()
	say(t, c, "between")
	hear(t, c, "between")
	other := p.dial(t, to) // for a moment, as the tunneler is ONLINE still
	require.NoError(t, other.Close())

	next := p.connect(t, g)
	eventually(t, "the successor has them all", func() bool { return s.ticket.Conns() == 0 && next.ticket.Conns() > 0 })
	g.lapse(errTest) // what was proved on the first session is of no use to anybody now
	require.Equal(t, 1, g.Status().Sessions)
	say(t, c, "after")
	hear(t, c, "after")
	next.ticket.End(flow.ErrRevoked)
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, flow.ErrRevoked)
	require.Empty(t, g.faults())
}

func TestTheFlowsOfALostSessionEndWithWhatWasProved(t *testing.T) {
	t.Parallel()
	p, g, s := pair(t)
	c := p.dial(t, target(t, echo))
	s.ticket.Lost()
	s.detach()
	g.lapse(errTest)
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, flow.ErrExpired)
	require.ErrorIs(t, g.handler.end(t).Reason, flow.ErrExpired)
	eventually(t, "nothing is left", func() bool { return g.Status() == flow.AcceptorStatus{} })
}

func TestAnEndedSessionTakesItsFlowsWithIt(t *testing.T) {
	t.Parallel()
	p, g, s := pair(t)
	c := p.dial(t, target(t, echo))
	s.ticket.End(flow.ErrRevoked)
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, flow.ErrRevoked)
	require.ErrorIs(t, g.handler.end(t).Reason, flow.ErrRevoked)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = p.Open(ctx, flow.Target{Host: "db", Port: 1})
	require.Error(t, err, "nothing binds to it any more")
	require.Equal(t, 1, g.handler.count())
}

func TestOnlyTheSameProgramTakesFlowsOver(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g, p := startGateway(t, ca, "gw"), startLaptop(t, ca)
	attach := func(by flow.Instance, of *laptop) *session {
		s := of.half(t, g)
		var err error
		s.ticket, err = g.Attach(flow.Accepted{ID: s.id, Instance: by, Link: s.far})
		require.NoError(t, err)
		return s
	}
	first := attach(p.instance, p)
	to := target(t, echo)
	flowOf := func() *raw {
		r := p.bound(t, g, first)
		r.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
		r.expect(t, flow.TypeSeen)
		r.expect(t, flow.TypeResult, 0)
		return r
	}
	other := startLaptop(t, ca, func(c *flow.PoolConfig) {
		c.Identity = ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/tunneler/other"))
	})
	other.identity = ca.Identity(ca.SVID(t, "spiffe://mycorp.internal/tunneler/other"))
	clone, foreign, successor := attach(flow.NewInstance(), p), attach(p.instance, other), attach(p.instance, p)
	first.ticket.Lost()
	for name, claim := range map[string]func(r *raw) []byte{
		"another instance with the same SVID": func(r *raw) []byte { return r.claim(t, clone.id, clone.near) },
		"another tunneler":                    func(r *raw) []byte { return r.claim(t, foreign.id, foreign.near) },
		"a session of that name, by another key": func(r *raw) []byte {
			return r.claim(t, successor.id, first.near)
		},
		"no such session": func(r *raw) []byte { return r.claim(t, flow.NewSessionID(), successor.near) },
	} {
		t.Run(name, func(t *testing.T) {
			r := flowOf()
			r.send(t, flow.TypeProof, claim(r)...)
			r.isCut(t, flow.CodeUnbound)
			require.Error(t, g.handler.end(t).Reason)
		})
	}
	r := flowOf()
	r.send(t, flow.TypeData, 'x')
	r.expect(t, flow.TypeData, 'x')
	r.send(t, flow.TypeProof, r.claim(t, successor.id, successor.near)...)
	r.send(t, flow.TypeData, 'y')
	r.expect(t, flow.TypeData, 'y')
	first.ticket.End(flow.ErrRevoked)
	r.send(t, flow.TypeData, 'z')
	r.expect(t, flow.TypeData, 'z')
}

func TestASweepEndsTheFlowsOfWhoIsNotAdmitted(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g, p := startGateway(t, ca, "gw"), startLaptop(t, ca)
	p.connect(t, g)
	c := p.dial(t, target(t, echo))
	no := func(*mtls.Conn) error { return errTest }
	require.Zero(t, g.Sweep(nil, func(*mtls.Conn) error { return nil }))
	require.Zero(t, g.Sweep([]spiffeid.ID{spiffeid.RequireFromString("spiffe://mycorp.internal/tunneler/other")}, no))
	require.Positive(t, g.Sweep([]spiffeid.ID{spiffeid.RequireFromString(tunnelerID)}, no))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, flow.ErrRevoked)
	require.ErrorIs(t, g.handler.end(t).Reason, errTest)
}

func TestATunnelerThatDoesNotReadLosesItsTargetAtOnce(t *testing.T) {
	t.Parallel()
	p, g, s := pair(t)
	left := make(chan error, 1)
	to := target(t, func(c *net.TCPConn) {
		for {
			if _, err := c.Write(make([]byte, 64<<10)); err != nil {
				left <- err
				return
			}
		}
	})
	r := p.bound(t, g, s)
	r.send(t, flow.TypeOpen, to.AppendOpen(nil)...)
	r.expect(t, flow.TypeSeen)
	r.expect(t, flow.TypeResult, 0)
	g.handler.last().Cut(flow.ErrRevoked)
	select {
	case err := <-left:
		require.Error(t, err)
	case <-time.After(soon):
		t.Fatal("the target is still connected")
	}
	require.ErrorIs(t, g.handler.end(t).Reason, flow.ErrRevoked)
}

func TestAConnectionThatIsCutOffDoesNotLookLikeTheEnd(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g, p := startGateway(t, ca, "gw"), startLaptop(t, ca)
	by := newLine(t, g.addr)
	p.connect(t, g, func(s *flow.Session) { s.Addresses = []string{by.addr} })
	c := p.dial(t, target(t, echo))
	say(t, c, "hello")
	hear(t, c, "hello")
	by.cut() // without a reset, and without goodbye in TLS
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

func TestAConnectorThatStopsDrains(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g, p := startGateway(t, ca, "gw"), startLaptop(t, ca)
	g.drain = soon
	p.connect(t, g)
	c := p.dial(t, target(t, echo))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		g.stop()
	}()
	eventually(t, "idle connections end", func() bool { return g.Status().Conns == 1 })
	say(t, c, "still there")
	hear(t, c, "still there")
	_, err := p.Open(t.Context(), flow.Target{Host: "db", Port: 1})
	require.Error(t, err, "a new flow is for another connector")
	require.NoError(t, c.Close())
	<-stopped
	require.NoError(t, g.handler.end(t).Reason)
}

func TestAConnectorThatStopsWaitsNotForEver(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g, p := startGateway(t, ca, "gw"), startLaptop(t, ca)
	g.drain = 50 * time.Millisecond
	p.connect(t, g)
	c := p.dial(t, target(t, echo))
	g.stop()
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, flow.ErrStopping)
	require.ErrorIs(t, g.handler.end(t).Reason, flow.ErrStopping)
}

func TestATunnelerThatStopsEndsItsFlows(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	c := p.dial(t, target(t, echo))
	p.stop()
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.NoError(t, c.Close())
	require.Error(t, g.handler.end(t).Reason)
	_, err = p.Open(t.Context(), flow.Target{Host: "db", Port: 1})
	require.ErrorIs(t, err, flow.ErrNoConnector)
	eventually(t, "nothing is left there", func() bool { return g.Status().Conns == 0 })
}

func TestADeadlineLeavesTheFlow(t *testing.T) {
	t.Parallel()
	p, _, _ := pair(t)
	c := p.dial(t, target(t, echo))
	for range 3 {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Millisecond)))
		_, err := c.Read(make([]byte, 1))
		var timeout net.Error
		require.True(t, errors.As(err, &timeout) && timeout.Timeout(), "%v", err)
	}
	require.NoError(t, c.SetReadDeadline(time.Time{}))
	say(t, c, "hello")
	hear(t, c, "hello")
	require.NoError(t, c.CloseWrite())
	_, err := io.ReadAll(c)
	require.NoError(t, err)
}
