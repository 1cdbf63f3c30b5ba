package flow_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// line is a TCP line to a connector that can be held: then nothing arrives in either direction.
type line struct {
	addr string

	conns sync.Map

	mu   sync.Mutex
	held chan struct{} // closed when it runs
}

// cut closes what there is of it.
func (l *line) cut() { l.conns.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true }) }

func newLine(t testing.TB, to string) *line {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	out := &line{addr: l.Addr().String(), held: make(chan struct{})}
	close(out.held)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			out.conns.Store(near, nil)
			out.conns.Store(far, nil)
			running.Go(func() { out.pass(near, far) })
			running.Go(func() { out.pass(far, near) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		out.run()
		out.cut()
		running.Wait()
	})
	return out
}

func (l *line) pass(from, to net.Conn) {
	defer func() { _ = to.Close() }()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		l.mu.Lock()
		held := l.held
		l.mu.Unlock()
		<-held
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// hold stops the line, run lets it continue.
func (l *line) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = make(chan struct{})
}

func (l *line) run() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.held:
	default:
		close(l.held)
	}
}

func TestAnOpenMovesOnFromAConnectorThatIsDead(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	dead, other, p := startGateway(t, ca, "a"), startGateway(t, ca, "b"), startLaptop(t, ca)
	for _, g := range []*gateway{dead, other} {
		by := newLine(t, g.addr) // it makes an orderly end of a reset, as some middleboxes do
		p.connect(t, g, func(s *flow.Session) { s.Addresses = []string{by.addr} })
	}
	var dials atomic.Int64
	to := target(t, func(c *net.TCPConn) { dials.Add(1); echo(c) })
	eventually(t, "connections to both", func() bool { return p.Status().Idle == 4 })
	nearer := p.dial(t, to)
	if nearer.Connector().String() == "spiffe://mycorp.internal/connector/b" {
		dead, other = other, dead
	}
	say(t, nearer, "x")
	hear(t, nearer, "x")
	require.NoError(t, nearer.Close())
	eventually(t, "all is idle", func() bool { return p.Status().Idle == 4 && dead.Status().Flows == 0 })
	there := dead.Status().Conns + 1 // and that of the session
	dead.ears.shut.Lock()
	through := map[string]int{}
	for range 6 {
		began := time.Now()
		c := p.dial(t, to)
		require.Less(t, time.Since(began), 5*time.Second, "without patience")
		through[c.Connector().String()]++
		say(t, c, "x")
		hear(t, c, "x")
		require.NoError(t, c.Close())
	}
	require.Equal(t, map[string]int{"spiffe://mycorp.internal/connector/" + other.name: 6}, through)
	dead.ears.reopen(t, there)
	eventually(t, "it answers again", func() bool { return dead.Status().Conns >= 1 && p.Status().Idle >= 4 })
	require.Equal(t, int64(7), dials.Load(), "no target was dialed twice")
	require.Equal(t, 1, dead.handler.count(), "an open whose tunneler has gone is not acted on")
}

func TestAConnectorThatIsKilledCostsNothing(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	first, second, p := startGateway(t, ca, "a"), startGateway(t, ca, "b"), startLaptop(t, ca)
	p.connect(t, first)
	p.connect(t, second)
	eventually(t, "connections to both", func() bool { return p.Status().Idle == 4 })
	to := target(t, echo)
	flows := map[string]*flow.Conn{}
	for _, busy := range []*gateway{first, second} { // one through each
		busy.handler.instead(failing(flow.ErrBusy))
		c := p.dial(t, to)
		flows[c.Connector().String()] = c
		busy.handler.instead(nil)
	}
	require.Len(t, flows, 2)
	first.stop()
	began := time.Now()
	c := p.dial(t, to)
	require.Less(t, time.Since(began), 5*time.Second, "without patience")
	say(t, c, "new")
	hear(t, c, "new")
	other := flows["spiffe://mycorp.internal/connector/b"]
	say(t, other, "untouched")
	hear(t, other, "untouched")
	_, err := flows["spiffe://mycorp.internal/connector/a"].Read(make([]byte, 1))
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF, "what is cut off must not look like its end")
}

func TestASlowTargetIsWaitedForAndDialedOnce(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	first, second := startGateway(t, ca, "a"), startGateway(t, ca, "b")
	p := startLaptop(t, ca, func(c *flow.PoolConfig) { c.SeenWithin, c.DialWithin = time.Second, time.Second })
	p.connect(t, first)
	p.connect(t, second)
	slow := func(ctx context.Context, _ *flow.Flow) (net.Conn, error) {
		select {
		case <-time.After(3 * time.Second):
		case <-ctx.Done():
		}
		return nil, flow.ErrConnRefused
	}
	first.handler.instead(slow)
	second.handler.instead(slow)
	_, err := p.Open(t.Context(), flow.Target{Host: "db", Port: 1})
	require.ErrorIs(t, err, flow.ErrConnRefused)
	require.Equal(t, 1, first.handler.count()+second.handler.count())
}

func TestGivingUpEndsTheDial(t *testing.T) {
	t.Parallel()
	p, g, _ := pair(t)
	began, ended := make(chan struct{}), make(chan struct{})
	g.handler.instead(func(ctx context.Context, _ *flow.Flow) (net.Conn, error) {
		close(began)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-began; cancel() }()
	_, err := p.Open(ctx, flow.Target{Host: "db", Port: 1})
	require.ErrorIs(t, err, context.Canceled)
	<-ended
	require.False(t, g.handler.end(t).Connected)
}

func TestAConnectorThatIsFullOrStopsIsNotTheLastWord(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]error{"full": flow.ErrBusy, "stopping": flow.ErrStopping} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := mtlstest.NewCA(t, td)
			first, second, p := startGateway(t, ca, "a"), startGateway(t, ca, "b"), startLaptop(t, ca)
			p.connect(t, first)
			p.connect(t, second)
			first.handler.instead(failing(answer))
			to := target(t, echo)
			for range 4 {
				c := p.dial(t, to)
				require.Equal(t, "spiffe://mycorp.internal/connector/b", c.Connector().String())
				require.NoError(t, c.Close())
			}
			second.handler.instead(failing(answer))
			_, err := p.Open(t.Context(), to)
			require.ErrorIs(t, err, answer)
		})
	}
}

// patient is for a test that counts whom an open asks: on a busy machine one that is slow to
// answer would not be the only one.
func patient(c *flow.PoolConfig) { c.SeenWithin, c.DialWithin = soon, soon }

func TestARefusalCountsForItsNetworkOnly(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	first, twin, second := startGateway(t, ca, "a"), startGateway(t, ca, "twin"), startGateway(t, ca, "b")
	p := startLaptop(t, ca, patient)
	p.connect(t, first)
	p.connect(t, twin)
	p.connect(t, second, func(s *flow.Session) { s.Network = "office" })
	first.handler.instead(failing(flow.ErrRefused))
	twin.handler.instead(failing(flow.ErrRefused))
	c := p.dial(t, target(t, echo))
	require.Equal(t, "spiffe://mycorp.internal/connector/b", c.Connector().String())
	require.NoError(t, c.Close())
	require.Equal(t, 1, first.handler.count()+twin.handler.count(), "the other connector of the network would say the same")
	second.handler.instead(failing(flow.ErrRefused))
	_, err := p.Open(t.Context(), flow.Target{Host: "db", Port: 1})
	require.ErrorIs(t, err, flow.ErrRefused)
}

// TestTheNetworkThatHadATargetIsAskedFirst: the others refuse it each time.
func TestTheNetworkThatHadATargetIsAskedFirst(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	first, second := startGateway(t, ca, "a"), startGateway(t, ca, "b")
	p := startLaptop(t, ca, patient)
	p.connect(t, first)
	p.connect(t, second, func(s *flow.Session) { s.Network = "office" })
	first.handler.instead(failing(flow.ErrRefused))
	to := target(t, echo)
	for range 5 {
		require.NoError(t, p.dial(t, to).Close())
	}
	require.Equal(t, 1, first.handler.count())

	// It is elsewhere now.
	first.handler.instead(nil)
	second.handler.instead(failing(flow.ErrRefused))
	for range 5 {
		require.NoError(t, p.dial(t, to).Close())
	}
	require.Equal(t, 6, first.handler.count())
}

func TestRouteChoosesTheNetwork(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g := startGateway(t, ca, "a")
	p := startLaptop(t, ca, func(c *flow.PoolConfig) {
		c.Route = func(t flow.Target) []string {
			switch t.Host {
			case "db":
				return []string{"dc"}
			case "unknown":
				return nil
			}
			return []string{"elsewhere"}
		}
	})
	p.connect(t, g)
	require.NoError(t, p.dial(t, target(t, echo)).Close())
	_, err := p.Open(t.Context(), flow.Target{Host: "other", Port: 1})
	require.ErrorIs(t, err, flow.ErrNoConnector)
	_, err = p.Open(t.Context(), flow.Target{Host: "unknown", Port: 1})
	require.ErrorIs(t, err, flow.ErrInternal, "where nothing is known all are asked: this one cannot dial it")
}

func TestAFormerHolderGetsNoFlow(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g, p := startGateway(t, ca, "a"), startLaptop(t, ca)
	p.connect(t, g, func(s *flow.Session) { s.Judge = refuseAll })
	_, err := p.Open(t.Context(), flow.Target{Host: "db", Port: 1})
	require.ErrorIs(t, err, flow.ErrNoConnector)
	require.ErrorIs(t, err, errTest)
	require.Zero(t, g.handler.count())
}

func TestAnotherConnectorAtTheAddressGetsNoFlow(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g, wrong, p := startGateway(t, ca, "a"), startGateway(t, ca, "wrong"), startLaptop(t, ca)
	p.connect(t, g, func(s *flow.Session) { s.Addresses = []string{wrong.addr, g.addr} })
	c := p.dial(t, target(t, echo))
	require.Equal(t, "spiffe://mycorp.internal/connector/a", c.Connector().String())
	require.NoError(t, c.Close())
	require.Zero(t, wrong.handler.count())
}

// lapses are flow.PoolConfig.Lapse of which a test makes use.
type lapses struct {
	mu      sync.Mutex
	over    map[*mtls.Conn]func(error)
	stopped int
}

func (l *lapses) watch(session *mtls.Conn, over func(error)) func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over[session] = over
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.stopped++
	}
}

func (l *lapses) lapse(session *mtls.Conn) {
	l.mu.Lock()
	over := l.over[session]
	l.mu.Unlock()
	over(errors.New("what was proved has run out"))
}

// TestFlowsOfALostSessionEndWhenItsConnectorHasProvedNothingNew: on a line that is cut nobody
// else would end them before TCP gives up.
func TestFlowsOfALostSessionEndWhenItsConnectorHasProvedNothingNew(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	l := &lapses{over: map[*mtls.Conn]func(error){}}
	g, p := startGateway(t, ca, "gw"), startLaptop(t, ca, func(cfg *flow.PoolConfig) { cfg.Lapse = l.watch })
	by := newLine(t, g.addr)
	first := p.connect(t, g, func(s *flow.Session) { s.Addresses = []string{by.addr} })
	c := p.dial(t, target(t, echo))
	say(t, c, "x")
	hear(t, c, "x")
	by.hold()
	first.detach()
	second := p.connect(t, g, func(s *flow.Session) { s.Addresses = []string{by.addr} })
	l.lapse(first.near) // late: the next session is there
	by.run()
	say(t, c, "y")
	hear(t, c, "y")
	require.Equal(t, 1, l.stopped)
	by.hold()
	second.detach()
	ended := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		ended <- err
	}()
	require.Empty(t, ended)
	l.lapse(second.near)
	select {
	case err := <-ended:
		require.ErrorIs(t, err, flow.ErrExpired)
	case <-time.After(soon):
		require.FailNow(t, "the flow goes on")
	}
}

func TestFlowsEndAtAConnectorThatIsDropped(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	a, b, p := startGateway(t, ca, "a"), startGateway(t, ca, "b"), startLaptop(t, ca)
	s := p.connect(t, a)
	to := target(t, echo)
	gone := p.dial(t, to)
	s.detach() // the session is not needed for it
	p.connect(t, b)
	stays := p.dial(t, to)
	require.Equal(t, "spiffe://mycorp.internal/connector/b", stays.Connector().String())
	require.NoError(t, gone.SetReadDeadline(time.Now().Add(soon)))
	p.Drop(gone.Connector())
	_, err := gone.Read(make([]byte, 1))
	require.ErrorIs(t, err, flow.ErrRevoked)
	say(t, stays, "x")
	hear(t, stays, "x")
	for range 3 {
		require.Equal(t, stays.Connector(), p.dial(t, to).Connector(), "no new flow goes there either")
	}
}

// TestAConnectionThatIsTurnedAwayComesAgain: a connector bounds how often an address connects,
// and a burst of flows needs many connections at once.
func TestAConnectionThatIsTurnedAwayComesAgain(t *testing.T) {
	t.Parallel()
	away, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	t.Cleanup(func() {
		_ = away.Close()
		running.Wait()
	})
	running.Go(func() {
		for {
			c, err := away.Accept()
			if err != nil {
				return
			}
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
	})
	ca := mtlstest.NewCA(t, td)
	g := startGateway(t, ca, "gw")
	var dials atomic.Int64
	p := startLaptop(t, ca, func(c *flow.PoolConfig) {
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			if dials.Add(1) <= 8 {
				address = away.Addr().String()
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	})
	p.connect(t, g)
	c := p.dial(t, target(t, echo))
	say(t, c, "x")
	hear(t, c, "x")
	require.Greater(t, dials.Load(), int64(8))
}

// TestAConnectorThatIsNotThereIsNotAskedAgain, so that the next one is.
func TestAConnectorThatIsNotThereIsNotAskedAgain(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	g := startGateway(t, ca, "gw")
	var gone atomic.Bool
	var dials atomic.Int64
	p := startLaptop(t, ca, func(c *flow.PoolConfig) {
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			if gone.Load() {
				dials.Add(1)
				return nil, syscall.ECONNREFUSED
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	})
	p.connect(t, g)
	eventually(t, "warm", func() bool { return p.Status().Idle == 2 })
	gone.Store(true) // before the warm ones are used: others are made in their place
	to := target(t, echo)
	p.dial(t, to)
	p.dial(t, to)
	began := time.Now()
	_, err := p.Open(t.Context(), flow.Target{Host: "127.0.0.1", Port: 1})
	require.ErrorIs(t, err, flow.ErrNoConnector)
	require.Less(t, time.Since(began), 5*time.Second)
	require.Less(t, dials.Load(), int64(20))
}
