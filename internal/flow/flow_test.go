package flow_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

func TestAFlowCarriesBothDirectionsAndItsConnectionIsUsedAgain(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	to := target(t, echo)
	var first net.Addr
	for range 5 {
		eventually(t, "an idle connection", func() bool { return p.Status().Idle > 0 })
		c := p.dial(t, to)
		if first == nil {
			first = c.LocalAddr()
		}
		say(t, c, "hello")
		hear(t, c, "hello")
		require.NoError(t, c.CloseWrite())
		rest, err := io.ReadAll(c)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.NoError(t, c.Close())
		require.Equal(t, flow.End{Up: 5, Down: 5, Connected: true}, g.handler.end(t))
		require.Equal(t, c.LocalAddr().String(), g.handler.last().From.String())
	}
	require.LessOrEqual(t, p.Status().Conns, 3, "no connection for each flow")
	require.Empty(t, g.faults())
}

func TestLargeTransfersArriveWhole(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	to := target(t, echo)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			sent := make([]byte, 5<<20+17)
			_, _ = rand.Read(sent)
			a, b := tcpPair(t)
			c := p.dial(t, to)
			var spliced sync.WaitGroup
			spliced.Go(func() {
				up, down, err := flow.Splice(c, b)
				if err != nil || up != int64(len(sent)) || down != up {
					t.Errorf("%d up, %d down: %v", up, down, err)
				}
			})
			spliced.Go(func() {
				_, _ = a.Write(sent)
				_ = a.CloseWrite()
			})
			got, err := io.ReadAll(a)
			if err != nil || sha256.Sum256(got) != sha256.Sum256(sent) {
				t.Errorf("got %d of %d bytes: %v", len(got), len(sent), err)
			}
			spliced.Wait()
		})
	}
	all.Wait()
	for range 4 {
		require.NoError(t, g.handler.end(t).Reason)
	}
}

// tcpPair are the two ends of a connection over loopback.
func tcpPair(t testing.TB) (a, b *net.TCPConn) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	near, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	far, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near.(*net.TCPConn), far.(*net.TCPConn)
}

func TestAServerThatSpeaksFirstAndOneByteWrites(t *testing.T) {
	t.Parallel()
	p, _, _ := pair(t)
	c := p.dial(t, target(t, func(c *net.TCPConn) {
		_, _ = io.WriteString(c, "220 ready\r\n")
		echo(c)
	}))
	hear(t, c, "220 ready\r\n")
	for range 50 {
		say(t, c, "x")
		hear(t, c, "x")
	}
	require.NoError(t, c.Close())
}

func TestEachDirectionEndsByItself(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	c := p.dial(t, target(t, func(c *net.TCPConn) {
		_ = c.CloseWrite()
		got, _ := io.ReadAll(c)
		_ = got
	}))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the target has ended its direction")
	say(t, c, "still there")
	require.NoError(t, c.CloseWrite())
	require.Equal(t, flow.End{Up: 11, Connected: true}, g.handler.end(t))
	_, err = c.Write([]byte("x"))
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, c.SetDeadline(time.Now()), "of a connection that may carry another flow, it changes nothing")
}

func TestCloseDeliversWhatWasWritten(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	got := make(chan []byte, 1)
	c := p.dial(t, target(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c)
		got <- all
	}))
	reading := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		reading <- err
	}()
	sent := bytes.Repeat([]byte("x"), 1<<20)
	_, err := c.Write(sent)
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.Equal(t, sent, <-got)
	require.Error(t, <-reading, "it frees the reader")
	require.Equal(t, flow.End{Up: 1 << 20, Connected: true}, g.handler.end(t), "no reset")
	eventually(t, "the connection again", func() bool { return p.Status().Idle == p.Status().Conns })
	require.NoError(t, c.Close(), "twice")
}

func TestATargetThatStreamsOnAfterCloseIsReset(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	failed := make(chan error, 1)
	c := p.dial(t, target(t, func(c *net.TCPConn) {
		for {
			if _, err := c.Write(make([]byte, 32<<10)); err != nil {
				failed <- err
				return
			}
		}
	}))
	_, err := c.Read(make([]byte, 10))
	require.NoError(t, err)
	require.NoError(t, c.Close())
	require.Error(t, <-failed)
	require.ErrorIs(t, g.handler.end(t).Reason, flow.ErrAborted)
}

func TestAResetOfEitherEndReachesTheOther(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	t.Run("of the target", func(t *testing.T) {
		c := p.dial(t, target(t, func(c *net.TCPConn) {
			_, _ = c.Read(make([]byte, 1))
			_ = c.SetLinger(0)
		}))
		say(t, c, "x")
		_, err := c.Read(make([]byte, 1))
		require.ErrorIs(t, err, flow.ErrAborted)
		require.ErrorIs(t, g.handler.end(t).Reason, flow.ErrAborted)
	})
	t.Run("of the client", func(t *testing.T) {
		failed := make(chan error, 1)
		c := p.dial(t, target(t, func(c *net.TCPConn) {
			_, err := c.Read(make([]byte, 1))
			failed <- err
		}))
		c.Abort()
		require.ErrorContains(t, <-failed, "reset by peer")
		require.ErrorIs(t, g.handler.end(t).Reason, flow.ErrAborted)
	})
	t.Run("of the client's connection, spliced", func(t *testing.T) {
		failed := make(chan error, 1)
		c := p.dial(t, target(t, func(c *net.TCPConn) {
			_, err := c.Read(make([]byte, 1))
			failed <- err
		}))
		a, b := tcpPair(t)
		_ = a.SetLinger(0)
		_ = a.Close()
		_, _, err := flow.Splice(c, b)
		require.ErrorContains(t, err, "reset by peer")
		require.ErrorContains(t, <-failed, "reset by peer")
		g.handler.end(t)
	})
	require.Empty(t, g.faults(), "a reset is no misbehaviour")
}

func TestAnOpenThatFailsSaysWhyAndFreesItsConnection(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g, p := startGateway(t, ca, "gw"), startLaptop(t, ca)
	p.connect(t, g)
	closed := target(t, echo)
	for name, c := range map[string]struct{ said, want error }{
		"refused":        {flow.ErrRefused, flow.ErrRefused},
		"no such name":   {flow.ErrName, flow.ErrName},
		"nobody listens": {flow.ErrConnRefused, flow.ErrConnRefused},
		"no answer":      {context.DeadlineExceeded, flow.ErrTimeout},
		"no way":         {flow.ErrUnreachable, flow.ErrUnreachable},
		"a bug":          {errTest, flow.ErrInternal},
		"no result":      {flow.ErrExpired, flow.ErrInternal},
	} {
		t.Run(name, func(t *testing.T) {
			g.handler.instead(failing(c.said))
			_, err := p.Open(t.Context(), closed)
			require.ErrorIs(t, err, c.want)
			e := g.handler.end(t)
			require.ErrorIs(t, e.Reason, c.said)
			require.False(t, e.Connected)
		})
	}
	g.handler.instead(nil)
	require.NoError(t, p.dial(t, closed).Close())
	require.LessOrEqual(t, p.Status().Conns, 3)
	_, err := p.Open(t.Context(), flow.Target{Host: "DB", Port: 1})
	require.ErrorIs(t, err, flow.ErrMalformed, "only the one form goes on the wire")
}

func TestWithoutASessionThereIsNoFlow(t *testing.T) {
	t.Parallel()
	p := startLaptop(t, mtlstest.NewCA(t, td))
	_, err := p.Open(t.Context(), flow.Target{Host: "db", Port: 22})
	require.ErrorIs(t, err, flow.ErrNoConnector)
}
