package flow_test

import (
	"context"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// TestAQuietFlowEndsAlsoIfItsOpenHadFirstBytes: the result of such an open waits for the target,
// and the timer that sends it is the one that ends the flow.
func TestAQuietFlowEndsAlsoIfItsOpenHadFirstBytes(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g, p := startGateway(t, ca, "gw", func(c *flow.AcceptorConfig) { c.Quiet = 300 * time.Millisecond }), startLaptop(t, ca)
	p.connect(t, g)
	to := target(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	for name, first := range map[string]string{"nothing": "", "something": "first"} {
		_, err := p.OpenWith(t.Context(), to, []byte(first))
		require.NoError(t, err)
		select {
		case end := <-g.handler.ends:
			require.ErrorIs(t, end.Reason, flow.ErrQuiet, name)
		case <-time.After(5 * time.Second):
			t.Fatal("a flow whose client said at first " + name + " stays for ever")
		}
	}
}

// meanwhile is a target that does something while it takes its first bytes.
type meanwhile struct {
	net.Conn

	do func()
}

func (m *meanwhile) Write(b []byte) (int, error) {
	n, err := m.Conn.Write(b)
	if m.do != nil {
		m.do()
	}
	m.do = nil
	return n, err
}

// TestATargetGetsFirstBytesOnceWhateverCutsTheirOpen: the reset says that nothing was looked at.
func TestATargetGetsFirstBytesOnceWhateverCutsTheirOpen(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(t *testing.T, p *laptop, g *gateway){
		"a proof of a session that the connector has ended": func(t *testing.T, p *laptop, g *gateway) {
			other := p.half(t, g)
			_, err := p.Attach(flow.Session{ID: other.id, Link: other.near, Network: "dc", Addresses: []string{g.addr}})
			require.NoError(t, err)
		},
		"the end of a drain": func(_ *testing.T, _ *laptop, g *gateway) {
			go g.Drain(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := mtlstest.NewCA(t, td)
			a, b := startGateway(t, ca, "a"), startGateway(t, ca, "b")
			p := startLaptop(t, ca)
			p.connect(t, a)
			p.connect(t, b)
			to := target(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
			var first atomic.Bool
			for _, g := range []*gateway{a, b} {
				g.handler.instead(func(ctx context.Context, f *flow.Flow) (net.Conn, error) {
					c, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(f.Target.Port))))
					if err == nil && first.CompareAndSwap(false, true) {
						c = &meanwhile{c, func() {
							cut(t, p, g)
							<-ctx.Done() // the connection is cut
						}}
					}
					return c, err
				})
			}
			c, err := p.OpenWith(t.Context(), to, []byte("once"))
			require.Equal(t, 1, a.handler.count()+b.handler.count(), "the other connector is asked, whose target gets the same again")
			if err == nil { // the result came before the reset
				c.Abort()
			} else {
				require.ErrorIs(t, err, flow.ErrInternal)
			}
		})
	}
}
