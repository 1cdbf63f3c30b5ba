package flow_test

import (
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// carried is what Splice returned.
type carried struct {
	up, down int64
	err      error
}

func splice(c *flow.Conn, local net.Conn) <-chan carried {
	out := make(chan carried, 1)
	go func() { // ends with the flow
		up, down, err := flow.Splice(c, local)
		out <- carried{up, down, err}
	}()
	return out
}

func TestWhatAClientHasSaidComesFirstAndIsCounted(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	heard := make(chan string, 1)
	to := target(t, func(c *net.TCPConn) {
		b, _ := io.ReadAll(c)
		heard <- string(b)
		_, _ = c.Write([]byte("fine"))
	})
	for range 20 {
		c, err := p.OpenWith(t.Context(), to, []byte("first, "))
		require.NoError(t, err)
		near, client := tcpPair(t)
		say(t, client, "then")
		require.NoError(t, client.CloseWrite())
		over := splice(c, near)
		require.Equal(t, "first, then", <-heard)
		answer, err := io.ReadAll(client)
		require.NoError(t, err)
		require.Equal(t, "fine", string(answer))
		require.Equal(t, carried{11, 4, nil}, <-over)
		end := g.handler.end(t)
		require.NoError(t, end.Reason)
		require.Equal(t, []int64{11, 4}, []int64{end.Up, end.Down})
	}
	require.LessOrEqual(t, g.Status().Conns, 3, "each time the connection is used again")
	_, err := p.OpenWith(t.Context(), to, make([]byte, flow.MaxFirst+1))
	require.ErrorIs(t, err, flow.ErrMalformed)
}

// TestWhatIsRefusedIsSaidToNobody, and the connection stays in order.
func TestWhatIsRefusedIsSaidToNobody(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	to := target(t, echo)
	g.handler.instead(failing(flow.ErrRefused))
	_, err := p.OpenWith(t.Context(), to, []byte("secret"))
	require.ErrorIs(t, err, flow.ErrRefused)
	require.Zero(t, g.handler.end(t).Up)
	g.handler.instead(nil)
	c := p.dial(t, to)
	say(t, c, "x")
	require.NoError(t, c.CloseWrite())
	all, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, "x", string(all))
}

// TestATargetThatSaysNothingIsOpenSoon: the result waits for what it says, but not for long.
func TestATargetThatSaysNothingIsOpenSoon(t *testing.T) {
	t.Parallel()
	p, _, _ := pair(t)
	to := target(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	c, err := p.OpenWith(t.Context(), to, []byte("first"))
	require.NoError(t, err)
	c.Abort()
}

func TestFirstBytesAndConnectorsThatDie(t *testing.T) {
	t.Parallel()
	bubble(t, "one that has just answered may have passed them on: nobody else is asked", func(t *testing.T) {
		p := inBubble(t, nil, "a", "b")
		p.kill("a", true)
		p.kill("b", true)
		began := time.Now()
		_, err := p.OpenWith(t.Context(), anywhere, []byte("once"))
		require.ErrorIs(t, err, flow.ErrInternal)
		require.Equal(t, 2*time.Second, time.Since(began))
	})
	bubble(t, "one that was silent does not get them with the open: the next one is asked", func(t *testing.T) {
		p := inBubble(t, nil, "a", "b")
		<-time.After(2 * time.Second)
		p.kill("a", true)
		began := time.Now()
		c, err := p.OpenWith(t.Context(), anywhere, []byte("once, "))
		require.NoError(t, err)
		require.Contains(t, []time.Duration{0, 500 * time.Millisecond}, time.Since(began))
		require.Equal(t, "/connector/b", c.Connector().Path())
		require.Zero(t, p.at["a"].opened)
		near, client := net.Pipe()
		over := splice(c, near)
		hear(t, client, "once, ")
		say(t, client, "twice")
		hear(t, client, "twice")
		require.NoError(t, client.Close())
		<-over
	})
}

// TestFirstBytesFollowTheSessionThatIsThere: a connector that does not know the session has not
// looked at the open, so the next one is asked.
func TestFirstBytesFollowTheSessionThatIsThere(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	restarted, other := startGateway(t, ca, "a"), startGateway(t, ca, "b")
	p := startLaptop(t, ca, func(c *flow.PoolConfig) { c.Warm = -1 })
	s := p.half(t, restarted)
	_, err := p.Attach(flow.Session{ID: s.id, Link: s.near, Network: "dc", Addresses: []string{restarted.addr}})
	require.NoError(t, err)
	p.connect(t, other)
	to := target(t, echo)
	for range 4 {
		c, err := p.OpenWith(t.Context(), to, []byte("once"))
		require.NoError(t, err)
		require.Equal(t, "/connector/b", c.Connector().Path())
		hear(t, c, "once")
		c.Abort()
	}
	require.Zero(t, restarted.handler.count())
}

// TestAFinThatNobodyWaitsForIsSentSoon: the target has ended, and so has the client.
func TestAFinThatNobodyWaitsForIsSentSoon(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(*laptop){
		"by itself":           func(*laptop) {},
		"when the pool stops": func(p *laptop) { p.stop() },
		"with the next open":  func(p *laptop) { _, _ = p.Open(t.Context(), flow.Target{Host: "db", Port: 1}) },
		"with what cuts it off": func(p *laptop) {
			c, err := p.Open(t.Context(), flow.Target{Host: "db", Port: 1})
			if err == nil {
				c.Abort()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := mtlstest.NewCA(t, td)
			g, p := startGateway(t, ca, "gw"), startLaptop(t, ca)
			p.connect(t, g)
			to := target(t, func(c *net.TCPConn) { _, _ = c.Write([]byte("bye")) })
			c := p.dial(t, to)
			all, err := io.ReadAll(c)
			require.NoError(t, err)
			require.Equal(t, "bye", string(all))
			require.NoError(t, c.CloseWrite())
			then(p)
			require.NoError(t, g.handler.end(t).Reason, "it has ended in order")
		})
	}
}

// TestAResetAfterTheLastBytesIsNotTheirEnd: what comes with them is looked at before they are sent.
func TestAResetAfterTheLastBytesIsNotTheirEnd(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	to := target(t, func(c *net.TCPConn) {
		_, _ = io.ReadFull(c, make([]byte, 1))
		_, _ = c.Write([]byte("half of it"))
		_ = c.SetLinger(0)
	})
	for range 20 {
		c := p.dial(t, to)
		say(t, c, "x")
		_, err := io.ReadAll(c)
		require.Error(t, err)
		require.Error(t, g.handler.end(t).Reason)
	}
}

// TestWhatComesWithTheResult is passed on as what comes later is: with its end or a reset, what
// follows it, and more than is passed on at once.
func TestWhatComesWithTheResult(t *testing.T) {
	t.Parallel()
	large := strings.Repeat("x", 40<<10)
	for name, c := range map[string]struct {
		answers func(*net.TCPConn)
		want    string
		cut     bool
	}{
		"its end": {func(c *net.TCPConn) { _, _ = io.WriteString(c, "answer") }, "answer", false},
		"nothing": {func(*net.TCPConn) {}, "", false},
		"a reset": {func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "answer")
			_ = c.SetLinger(0)
		}, "", true},
		"more later": {func(c *net.TCPConn) {
			_, _ = io.WriteString(c, "answer")
			<-time.After(20 * time.Millisecond)
			_, _ = io.WriteString(c, ", more")
		}, "answer, more", false},
		"much": {func(c *net.TCPConn) { _, _ = io.WriteString(c, large) }, large, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _, _ := pair(t)
			to := target(t, func(s *net.TCPConn) {
				_, _ = io.ReadFull(s, make([]byte, len("ask")))
				c.answers(s)
			})
			for range 20 {
				flow, err := p.OpenWith(t.Context(), to, []byte("ask"))
				require.NoError(t, err)
				near, client := tcpPair(t)
				over := splice(flow, near)
				got, err := io.ReadAll(client)
				if c.cut {
					require.ErrorIs(t, err, syscall.ECONNRESET)
					require.Error(t, (<-over).err)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, c.want, string(got))
				require.NoError(t, client.Close())
				require.Equal(t, carried{3, int64(len(c.want)), nil}, <-over)
			}
		})
	}
}

// TestALargeAnswerDoesNotHoldUpTheClient that reads only when it has said everything.
func TestALargeAnswerDoesNotHoldUpTheClient(t *testing.T) {
	t.Parallel()
	const answer, question = 64 << 10, 16 << 20
	p, _, _ := pair(t)
	to := target(t, func(c *net.TCPConn) {
		_, _ = c.Write(make([]byte, answer))
		_, _ = io.Copy(io.Discard, c)
	})
	for range 3 {
		c, err := p.OpenWith(t.Context(), to, []byte("x"))
		require.NoError(t, err)
		near, client := tcpPair(t)
		require.NoError(t, near.SetWriteBuffer(4<<10))
		require.NoError(t, client.SetReadBuffer(4<<10))
		require.NoError(t, client.SetDeadline(time.Now().Add(soon)))
		over := splice(c, near)
		_, err = client.Write(make([]byte, question))
		require.NoError(t, err)
		require.NoError(t, client.CloseWrite())
		require.NoError(t, client.SetReadBuffer(1<<20))
		got, err := io.Copy(io.Discard, client)
		require.NoError(t, err)
		require.EqualValues(t, answer, got)
		require.Equal(t, carried{question + 1, answer, nil}, <-over)
	}
}
