package flow_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// pipes are connectors and a tunneler in memory, for a bubble in which time is fake.
type pipes struct {
	*flow.Pool

	ca       *mtlstest.CA
	own      *mtlstest.Identity
	instance flow.Instance
	running  sync.WaitGroup
	ends     chan flow.End

	mu   sync.Mutex
	at   map[string]*pipeGateway
	dead map[string]bool // takes connections and reads nothing more
	lies []byte
}

type pipeGateway struct {
	*flow.Acceptor

	own    *mtlstest.Identity
	ticket *flow.Ticket
	opened int
	deaf   bool // the target reads nothing
	last   *flow.Flow
}

// Open implements flow.Handler: the target sends back what it gets.
func (g *pipeGateway) Open(_ context.Context, f *flow.Flow) (net.Conn, error) {
	if f.Target == closed { // also many at once
		return nil, flow.ErrConnRefused
	}
	g.opened++
	g.last = f
	near, far := net.Pipe()
	if g.deaf {
		return near, nil
	}
	go func() {
		_, _ = io.Copy(far, far)
		_ = far.Close()
	}()
	return near, nil
}

type noted struct {
	*pipeGateway

	ends chan flow.End
}

func (n noted) Ended(_ *flow.Flow, e flow.End) { n.ends <- e }

func inBubble(t *testing.T, change func(*flow.AcceptorConfig), names ...string) *pipes {
	t.Helper()
	p := &pipes{ca: mtlstest.NewCA(t, td), instance: flow.NewInstance(), at: map[string]*pipeGateway{}, dead: map[string]bool{}, ends: make(chan flow.End, 64)}
	p.own = p.ca.Identity(p.ca.SVID(t, tunnelerID))
	var err error
	p.Pool, err = flow.NewPool(flow.PoolConfig{Identity: p.own, Dial: p.dial, Warm: 1, Log: zap.NewNop()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	for _, name := range names {
		g := &pipeGateway{own: p.ca.Identity(p.ca.SVID(t, "spiffe://mycorp.internal/connector/"+name))}
		cfg := flow.AcceptorConfig{
			Handler: noted{g, p.ends}, Admit: func(*mtls.Conn) error { return nil }, Log: zap.NewNop(),
			Lapse: func(*mtls.Conn, func(error)) func() { return func() {} },
		}
		if change != nil {
			change(&cfg)
		}
		g.Acceptor, err = flow.NewAcceptor(cfg)
		require.NoError(t, err)
		p.at[name] = g
		p.running.Go(func() {
			<-ctx.Done()
			g.Drain(10 * time.Second)
		})
	}
	p.running.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		p.running.Wait()
	})
	for _, name := range names {
		p.session(t, name)
	}
	synctest.Wait()
	return p
}

func (p *pipes) session(t *testing.T, name string) (detach func()) {
	t.Helper()
	g, id := p.at[name], flow.NewSessionID()
	near, far := mtlstest.Connect(t, p.own, g.own)
	var err error
	g.ticket, err = g.Attach(flow.Accepted{ID: id, Instance: p.instance, Link: far.Conn})
	require.NoError(t, err)
	detach, err = p.Attach(flow.Session{ID: id, Link: near.Conn, Network: "dc", Addresses: []string{name}})
	require.NoError(t, err)
	return detach
}

func (p *pipes) dial(_ context.Context, name string) (net.Conn, error) {
	p.mu.Lock()
	g, dead := p.at[name], p.dead[name]
	p.mu.Unlock()
	near, far := net.Pipe()
	if dead {
		return near, nil
	}
	p.running.Go(func() {
		var flows mtls.Flows = g
		if name == aLiar {
			flows = liar{p}
		}
		creds := mtls.WithFlows(mtls.ServerCredentials(mtls.ServerConfig(g.own, mtls.Kinds(td, identity.KindTunneler))), flows)
		secured, info, err := creds.ServerHandshake(&killable{Conn: far, of: p, name: name})
		if err == nil {
			info.(mtls.AuthInfo).Dispatch(secured)
		}
	})
	return near, nil
}

// killable stops reading when its connector is dead.
type killable struct {
	net.Conn

	of   *pipes
	name string
}

func (k *killable) Read(b []byte) (int, error) {
	n, err := k.Conn.Read(b)
	for err == nil && k.of.isDead(k.name) {
		n, err = k.Conn.Read(b) // it takes what comes, and nothing happens
	}
	return n, err
}

func (p *pipes) isDead(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead[name]
}

func (p *pipes) kill(name string, dead bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead[name] = dead
}

func bubble(t *testing.T, name string, test func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
}

// Nothing listens at closed.
var anywhere, closed = flow.Target{Host: "db", Port: 1}, flow.Target{Host: "closed", Port: 1}

// beside is another tunneler, with one session.
func (p *pipes) beside(t *testing.T, name string) *flow.Pool {
	t.Helper()
	own := p.ca.Identity(p.ca.SVID(t, "spiffe://mycorp.internal/tunneler/other"))
	other, err := flow.NewPool(flow.PoolConfig{Identity: own, Dial: p.dial, Warm: 1, Log: zap.NewNop()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- other.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	id := flow.NewSessionID()
	near, far := mtlstest.Connect(t, own, p.at[name].own)
	_, err = p.at[name].Attach(flow.Accepted{ID: id, Instance: flow.NewInstance(), Link: far.Conn})
	require.NoError(t, err)
	_, err = other.Attach(flow.Session{ID: id, Link: near.Conn, Network: "dc", Addresses: []string{name}})
	require.NoError(t, err)
	synctest.Wait()
	return other
}

func TestTimes(t *testing.T) {
	t.Parallel()
	bubble(t, "a flow ends when nothing was sent for too long", func(t *testing.T) {
		p := inBubble(t, func(c *flow.AcceptorConfig) { c.Quiet = time.Hour }, "gw")
		c, err := p.Open(t.Context(), anywhere)
		require.NoError(t, err)
		for range 5 {
			<-time.After(50 * time.Minute)
			say(t, c, "x")
			hear(t, c, "x")
		}
		last := time.Now()
		_, err = c.Read(make([]byte, 1))
		require.ErrorIs(t, err, flow.ErrQuiet)
		require.Equal(t, time.Hour, time.Since(last))
		require.ErrorIs(t, (<-p.ends).Reason, flow.ErrQuiet)
	})
	bubble(t, "a connector that is dead costs a flow half a second, once", func(t *testing.T) {
		p := inBubble(t, nil, "a", "b")
		p.kill("a", true)
		var cost []time.Duration
		for range 4 {
			began := time.Now()
			c, err := p.Open(t.Context(), anywhere)
			require.NoError(t, err)
			require.Equal(t, "spiffe://mycorp.internal/connector/b", c.Connector().String())
			cost = append(cost, time.Since(began))
			c.Abort()
		}
		require.ElementsMatch(t, []time.Duration{500 * time.Millisecond, 0, 0, 0}, cost)
		require.Zero(t, p.at["a"].opened)
	})
	bubble(t, "the last connector gets patience, and then there is none", func(t *testing.T) {
		p := inBubble(t, nil, "a")
		p.kill("a", true)
		began := time.Now()
		_, err := p.Open(t.Context(), anywhere)
		require.ErrorIs(t, err, flow.ErrNoConnector)
		require.Equal(t, 10500*time.Millisecond, time.Since(began))
		p.kill("a", false)
		<-time.After(time.Minute)
		c, err := p.Open(t.Context(), anywhere)
		require.NoError(t, err, "it is back")
		c.Abort()
	})
	bubble(t, "a lost session takes flows for 30 s, and keeps those that are open", func(t *testing.T) {
		p := inBubble(t, nil, "a")
		c, err := p.Open(t.Context(), anywhere)
		require.NoError(t, err)
		p.at["a"].ticket.Lost()
		<-time.After(29 * time.Second)
		other, err := p.Open(t.Context(), anywhere)
		require.NoError(t, err)
		other.Abort()
		<-time.After(2 * time.Second)
		require.Equal(t, 1, p.at["a"].Status().Conns, "idle ones have ended")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err = p.Open(ctx, anywhere)
		require.Error(t, err)
		require.Equal(t, 2, p.at["a"].opened)
		say(t, c, "still there")
		hear(t, c, "still there")
		c.Abort()
	})
	bubble(t, "a connection that nobody binds is cut after 5 s", func(t *testing.T) {
		p := inBubble(t, nil, "a")
		raw, err := p.dial(t.Context(), "a")
		require.NoError(t, err)
		conn, of, err := mtls.DialFlow(t.Context(), raw, mtls.ClientConfig(p.own, mtls.Kinds(td, identity.KindConnector)))
		require.NoError(t, err)
		began := time.Now()
		head := make([]byte, 5)
		_, err = io.ReadFull(conn, head)
		require.NoError(t, err)
		require.Equal(t, flow.Append(nil, flow.TypeReset, byte(flow.CodeProtocol)), head)
		require.Equal(t, 5*time.Second, time.Since(began))
		of.Close(nil)
	})
	bubble(t, "a target that does not read is left at once when its flow is cut", func(t *testing.T) {
		p := inBubble(t, nil, "a")
		p.at["a"].deaf = true
		c, err := p.Open(t.Context(), anywhere)
		require.NoError(t, err)
		say(t, c, "nobody reads this")
		synctest.Wait()
		began := time.Now()
		p.at["a"].last.Cut(flow.ErrRevoked)
		require.ErrorIs(t, (<-p.ends).Reason, flow.ErrRevoked)
		require.Less(t, time.Since(began), time.Second)
		c.Abort()
	})
	bubble(t, "a tunneler that opens many flows waits for its turn while another one has a flow", func(t *testing.T) {
		p := inBubble(t, func(c *flow.AcceptorConfig) { c.Limits.OpensOf = 100 }, "a")
		many := func(n int) time.Duration {
			began := time.Now()
			for range n {
				_, err := p.Open(t.Context(), closed)
				require.ErrorIs(t, err, flow.ErrConnRefused)
				<-p.ends
			}
			return time.Since(began)
		}
		require.Zero(t, many(300), "alone it has all that there is")
		other := p.beside(t, "a")
		began := time.Now()
		c, err := other.Open(t.Context(), anywhere)
		require.NoError(t, err)
		require.Zero(t, time.Since(began), "the other one does not pay for it")
		require.InDelta(t, 3, many(300).Seconds(), 0.1)
		require.EqualValues(t, 300, p.at["a"].Status().Waited)
		c.Abort()
		<-p.ends
		require.Zero(t, many(300), "alone again")
	})
	bubble(t, "and is not rid of its flood by another connection", func(t *testing.T) {
		p := inBubble(t, func(c *flow.AcceptorConfig) { c.Limits.OpensOf = 1 }, "a")
		c, err := p.beside(t, "a").Open(t.Context(), anywhere)
		require.NoError(t, err)
		for at := range 4 {
			began := time.Now()
			own, err := p.Open(t.Context(), anywhere)
			require.NoError(t, err)
			if at > 0 {
				require.InDelta(t, 1, time.Since(began).Seconds(), 0.3)
			}
			own.Abort() // with its connection
			<-p.ends
		}
		c.Abort()
		<-p.ends
	})
	bubble(t, "nor waits for long", func(t *testing.T) {
		p := inBubble(t, func(c *flow.AcceptorConfig) { c.Limits.OpensOf = 1 }, "a")
		c, err := p.beside(t, "a").Open(t.Context(), anywhere)
		require.NoError(t, err)
		results := make(chan error)
		for range 8 {
			go func() {
				_, err := p.Open(t.Context(), closed)
				results <- err
			}()
		}
		busy := 0
		for range 8 {
			if err := <-results; !errors.Is(err, flow.ErrConnRefused) {
				require.ErrorIs(t, err, flow.ErrBusy, "so that it asks another connector")
				busy++
			}
		}
		require.Equal(t, 2, busy)
		c.Abort()
	})
	bubble(t, "idle connections beyond the warm ones end", func(t *testing.T) {
		p := inBubble(t, nil, "a")
		var all []*flow.Conn
		for range 5 {
			c, err := p.Open(t.Context(), anywhere)
			require.NoError(t, err)
			all = append(all, c)
		}
		for _, c := range all {
			require.NoError(t, c.Close())
		}
		synctest.Wait()
		<-time.After(3 * time.Second)
		kept := p.Status().Idle
		<-time.After(2 * time.Minute)
		require.LessOrEqual(t, p.Status().Idle, kept)
		require.Equal(t, 1, p.Status().Conns)
	})
}
