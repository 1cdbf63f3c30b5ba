package flow

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// Handler connects flows to their targets. internal/flow knows no policy: this does.
type Handler interface {
	// Open decides and connects. ctx ends when the tunneler gives up, or may not be here any
	// more. The code of an error (CodeOf) is what the tunneler gets.
	Open(ctx context.Context, f *Flow) (net.Conn, error)
	// Ended is called once for each Open, when nothing of the flow is left.
	Ended(f *Flow, e End)
}

// Flow is one open of a tunneler, from then on to its end.
type Flow struct {
	Tunneler spiffeid.ID
	// Conn is the connection that carries it.
	Conn *mtls.Conn
	// From is the tunneler's end of that connection.
	From   netip.AddrPort
	Target Target
	Opened time.Time

	cut func(error)
}

// NewFlow is for a Handler that is used without an Acceptor. Its cut must not block.
func NewFlow(tunneler spiffeid.ID, t Target, cut func(error)) *Flow {
	return &Flow{Tunneler: tunneler, Target: t, Opened: time.Now(), cut: cut}
}

// Cut ends the flow at once. It does not block.
func (f *Flow) Cut(reason error) { f.cut(reason) }

// End is how a flow ended.
type End struct {
	Up, Down int64 // bytes to and from the target
	// Reason is nil after both fins; for a flow that was never connected it is the error of
	// Open.
	Reason    error
	Connected bool
}

// Limits bound what tunnelers make an Acceptor hold; zero values are replaced by the defaults.
type Limits struct {
	Conns, ConnsOf     int // connections in all, and of one tunneler; 8192, 4096
	Unbound, UnboundOf int // of them not bound yet; 1024, 128
	Flows, FlowsOf     int // 8192, 4096
	Large, LargeOf     int // buffers of 256 KiB in use at once; 384, 256
	// OpensOf is how many flows a tunneler may open in a second, after as many at once, while
	// another one has a flow too; 200. Those beyond wait, up to opensWait, and then there is no
	// room for them.
	OpensOf int
}

// AcceptorConfig configures an Acceptor.
type AcceptorConfig struct {
	Handler Handler
	// Admit says why a tunneler may not be here. It is asked of each new connection; see
	// Sweep for those that are open.
	Admit func(*mtls.Conn) error
	// Lapse calls over when what the tunneler proved on the connection of a session that was
	// lost is not enough any more; reproof.Lapse is it.
	Lapse func(session *mtls.Conn, over func(error)) (stop func())
	// Misbehaved is called with a peer that broke the protocol, or bound what is not bound.
	// Optional.
	Misbehaved func(*mtls.Conn, error)
	Limits     Limits
	// Bind is how long a connection may be unbound; 5 s. Quiet is how long a flow may carry
	// nothing; 2 h.
	Bind, Quiet time.Duration
	Log         *zap.Logger
}

func (c AcceptorConfig) orDefault() AcceptorConfig {
	l := &c.Limits
	for _, d := range []struct {
		value *int
		def   int
	}{
		{&l.Conns, 8192},
		{&l.ConnsOf, 4096},
		{&l.Unbound, 1024},
		{&l.UnboundOf, 128},
		{&l.Flows, 8192},
		{&l.FlowsOf, 4096},
		{&l.Large, 384},
		{&l.LargeOf, 256},
		{&l.OpensOf, 200},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&c.Bind, 5 * time.Second}, {&c.Quiet, 2 * time.Hour}} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if c.Misbehaved == nil {
		c.Misbehaved = func(*mtls.Conn, error) {}
	}
	return c
}

// Acceptor is the connector's side of all flows: mtls.Flows of its listener.
type Acceptor struct {
	cfg     AcceptorConfig
	buffers *buffers
	budget  *Budget
	conns   *mtls.Conns
	life    context.Context //nolint:containedctx // until Drain: flows end with it
	end     context.CancelFunc
	work    sync.WaitGroup // a goroutine each connection, and one each flow

	mu       sync.Mutex
	bounds   map[SessionID]*bound
	peers    map[spiffeid.ID]*peer
	served   map[*served]struct{}
	unbound  int
	flows    int
	active   int    // tunnelers that have flows
	waited   uint64 // opens that waited for their turn
	forgot   time.Time
	stopping bool
}

// NewAcceptor checks the configuration.
func NewAcceptor(cfg AcceptorConfig) (*Acceptor, error) {
	if cfg.Handler == nil || cfg.Admit == nil || cfg.Lapse == nil || cfg.Log == nil {
		return nil, errors.New("flow acceptor needs Handler, Admit, Lapse and Log")
	}
	a := &Acceptor{
		cfg: cfg.orDefault(), buffers: &buffers{},
		bounds: map[SessionID]*bound{}, peers: map[spiffeid.ID]*peer{}, served: map[*served]struct{}{},
	}
	a.budget = NewBudget(a.cfg.Limits.Large, nil)
	a.conns = mtls.NewConns(a.cfg.Limits.ConnsOf)
	a.life, a.end = context.WithCancel(context.Background())
	return a, nil
}

// firstWords is how long a connection that is not admitted may stay for a policy that is on
// its way; see mtls.Newcomers.
const firstWords = 2 * time.Second

// Opened implements mtls.Flows.
func (a *Acceptor) Opened(c *mtls.Conn) error {
	if err := a.conns.Add(c); err != nil {
		return err
	}
	return mtls.Newcomers(firstWords, a.cfg.Admit)(c)
}

// Socket implements mtls.Flows.
func (a *Acceptor) Socket(c net.Conn) net.Conn { return newSocket(c, a.buffers) }

// Serve implements mtls.Flows.
func (a *Acceptor) Serve(secured net.Conn, of *mtls.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, err := a.enter(of.Peer())
	if err != nil {
		of.Close(err)
		return
	}
	l := newLink(SideConnector, secured, of, a.socketOf(secured), Times{Bind: a.cfg.Bind, Quiet: a.cfg.Quiet})
	l.socket.budget = p.budget
	s := &served{acceptor: a, link: l, peer: p}
	a.served[s] = struct{}{}
	a.work.Go(func() { s.serve() })
}

// socketOf is the Socket below a connection that Socket made.
func (a *Acceptor) socketOf(c net.Conn) *Socket {
	for {
		if s, ok := c.(*Socket); ok {
			return s
		}
		n, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return newSocket(c, a.buffers) // of a test: it gathers nothing
		}
		c = n.NetConn()
	}
}

// enter counts a connection. It needs the lock.
func (a *Acceptor) enter(id spiffeid.ID) (*peer, error) {
	p := a.peers[id]
	if p == nil {
		a.forgetPeers()
		n := a.cfg.Limits.OpensOf
		p = &peer{budget: NewBudget(a.cfg.Limits.LargeOf, a.budget), opens: rate.NewLimiter(rate.Limit(n), n)}
	}
	switch l := a.cfg.Limits; {
	case a.stopping:
		return nil, ErrStopping
	case len(a.served) >= l.Conns, p.conns >= l.ConnsOf, a.unbound >= l.Unbound, p.unbound >= l.UnboundOf:
		return nil, ErrBusy
	}
	a.peers[id] = p
	a.unbound++
	p.conns++
	p.unbound++
	return p, nil
}

// leave undoes enter.
func (a *Acceptor) leave(s *served) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.served, s)
	if s.bound != nil {
		delete(s.bound.links, s)
		a.forget(s.bound)
	} else {
		a.unbound--
		s.peer.unbound--
	}
	if s.peer.conns--; s.peer.gone(time.Now()) {
		delete(a.peers, s.link.of.Peer())
	}
}

// beginFlow counts a flow, or says why there is no room. The flow begins when it has waited.
func (a *Acceptor) beginFlow(s *served) (wait time.Duration, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.admitted(s); err != nil {
		return 0, err
	}
	switch l := a.cfg.Limits; {
	case a.stopping:
		return 0, ErrStopping
	case a.flows >= l.Flows, s.peer.flows >= l.FlowsOf:
		return 0, ErrBusy
	}
	if wait, err = a.turn(s.peer); err != nil {
		return 0, err
	}
	a.flows++
	if s.peer.flows++; s.peer.flows == 1 {
		a.active++
	}
	s.busy = true
	return wait, nil
}

// admitted asks again whether the tunneler may be here. A session that was lost outlives the
// revocation of its tunneler by seconds, and a connection that is new then waits for its policy:
// Sweep has seen neither. It needs the lock, so that what Sweep misses is refused here.
func (a *Acceptor) admitted(s *served) error {
	if err := a.cfg.Admit(s.link.of); err != nil {
		return errors.Join(ErrRevoked, err)
	}
	return nil
}

// endFlow undoes beginFlow. A connection that is idle while we stop is not needed any more.
func (a *Acceptor) endFlow(s *served) {
	a.mu.Lock()
	a.flows--
	if s.peer.flows--; s.peer.flows == 0 {
		a.active--
	}
	s.busy, s.running = false, nil
	stopping := a.stopping
	a.mu.Unlock()
	if stopping {
		_ = s.link.cut(ErrStopping)
	}
}

// Sweep ends the connections of these tunnelers, of all for nil, for which judge has a
// reason. It does not wait for slow ones.
func (a *Acceptor) Sweep(ids []spiffeid.ID, judge func(*mtls.Conn) error) (cut int) {
	wanted := make(map[spiffeid.ID]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for s := range a.served {
		if ids != nil && !wanted[s.link.of.Peer()] {
			continue
		}
		if err := judge(s.link.of); err != nil {
			cut++
			a.work.Go(func() { _ = s.link.cut(errors.Join(ErrRevoked, err)) })
		}
	}
	return cut
}

// begun notes the flow that a connection carries from now on.
func (a *Acceptor) begun(s *served, f *Flow) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.running = f
}

// cut ends the connection of a flow, beside its caller, unless it carries another one by now.
func (a *Acceptor) cut(c *carried, reason error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if s := c.served; s.running == c.flow {
		a.work.Go(func() { _ = s.link.cut(reason) })
	}
}

// AcceptorStatus is the state of an Acceptor at a moment.
type AcceptorStatus struct {
	Conns, Unbound, Flows, Sessions int
	// Waited counts the opens that waited because their tunneler opens many.
	Waited uint64
}

// Status may be called at any time.
func (a *Acceptor) Status() AcceptorStatus {
	a.mu.Lock()
	defer a.mu.Unlock()
	return AcceptorStatus{Conns: len(a.served), Unbound: a.unbound, Flows: a.flows, Sessions: len(a.bounds), Waited: a.waited}
}

// Drain lets nobody in any more and returns when nothing is left: idle connections end at
// once, and flows when they like, within the limit.
func (a *Acceptor) Drain(limit time.Duration) {
	a.stop(func(s *served) bool { return !s.busy })
	late := time.AfterFunc(limit, func() {
		a.end()
		a.stop(func(*served) bool { return true })
	})
	a.work.Wait()
	late.Stop()
	a.end()
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, b := range a.bounds {
		b.stopTimers()
	}
}

// stop lets nobody in any more, and cuts those.
func (a *Acceptor) stop(which func(*served) bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stopping = true
	for s := range a.served {
		if which(s) {
			a.work.Go(func() { _ = s.link.cut(ErrStopping) })
		}
	}
}
