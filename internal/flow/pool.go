package flow

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// Session is an open session of a tunneler with a connector, to which flows are bound.
type Session struct {
	// ID as the connector named it.
	ID SessionID
	// Link is the connection of the session.
	Link *mtls.Conn
	// Network of the connector.
	Network string
	// Addresses of the connector, host:port, the one that the session uses first.
	Addresses []string
	// Judge refuses a connection of a former holder of the connector's id. Optional.
	Judge func(*mtls.Conn) error
}

// PoolConfig configures a Pool. Zero durations and numbers are replaced by the defaults.
type PoolConfig struct {
	Identity mtls.Identity
	// Dial reaches an address of a connector; TCP by default.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Route names the networks that may have a target, the best first. Without it, or if it
	// names none, all are asked, one after the other.
	Route func(Target) []string
	// Warm connections are kept ready for each session; 2. Idle ones are at most MostIdle;
	// 256. MostConns are open to one connector; 4096, as many as it takes of a tunneler.
	Warm, MostIdle, MostConns int
	// IdleFor is how long a connection beyond Warm stays; 90 s.
	IdleFor time.Duration
	// DialWithin and SeenWithin are how long a connector has before the next one is tried,
	// too; 500 ms. With nobody else left it has PatienceFor; 10 s.
	DialWithin, SeenWithin, PatienceFor time.Duration
	// ResultWithin is how long a connector that has seen an open may take; 20 s.
	ResultWithin time.Duration
	// Lapse calls over when what the connector proved on the connection of a session that was
	// lost is not enough any more: the flows end then. reproof.Lapse is it. Without it they
	// last until the connector or TCP ends them.
	Lapse func(session *mtls.Conn, over func(error)) (stop func())
	Log   *zap.Logger
}

func (c PoolConfig) orDefault() PoolConfig {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{
		{&c.IdleFor, 90 * time.Second},
		{&c.DialWithin, 500 * time.Millisecond},
		{&c.SeenWithin, 500 * time.Millisecond},
		{&c.PatienceFor, 10 * time.Second},
		{&c.ResultWithin, 20 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	for _, d := range []struct {
		value *int
		def   int
	}{{&c.Warm, 2}, {&c.MostIdle, 256}, {&c.MostConns, 4096}} {
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}
	}
	return c
}

// Pool opens flows on the sessions that are attached to it.
type Pool struct {
	cfg     PoolConfig
	buffers *buffers
	changed topic.Hint // there may be connections to make or to close

	work sync.WaitGroup  // what runs beside the callers
	life context.Context //nolint:containedctx // of Run: dials end with it
	end  context.CancelFunc

	mu        sync.Mutex
	endpoints map[spiffeid.ID]*endpoint
	routes    map[Target]string // in which network a target was reached last
	stopped   bool
}

// mostRoutes bounds what is remembered of targets.
const mostRoutes = 4096

// NewPool checks the configuration. Run has to run while flows are opened.
func NewPool(cfg PoolConfig) (*Pool, error) {
	if cfg.Identity == nil || cfg.Log == nil {
		return nil, errors.New("flow pool needs Identity and Log")
	}
	p := &Pool{cfg: cfg.orDefault(), buffers: &buffers{}, changed: topic.NewHint(), endpoints: map[spiffeid.ID]*endpoint{}, routes: map[Target]string{}}
	p.life, p.end = context.WithCancel(context.Background())
	return p, nil
}

// Attach adds a session. Connections that a lost one with the same connector has left are
// proved to belong to this one. detach is called when the session ends; the flows continue, as
// long as the connector lets them.
func (p *Pool) Attach(s Session) (detach func(), err error) {
	key, err := s.Link.Derive(KeyLabel)
	if err != nil {
		return nil, err
	}
	id := s.Link.Peer()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return func() {}, nil
	}
	e := p.endpoints[id]
	if e == nil {
		e = &endpoint{pool: p, connector: id, links: map[*link]struct{}{}}
		p.endpoints[id] = e
	}
	own := &attached{Session: s, key: Key(key)}
	e.session, e.newest, e.suspect = own, own, false
	e.stopLapse()
	for l := range e.links {
		p.work.Go(func() { e.prove(l, own) })
	}
	p.changed.Wake()
	return func() { p.detach(e, own) }, nil
}

// detach leaves the flows of a session that has ended to its successor, for as long as what
// the connector proved lasts.
func (p *Pool) detach(e *endpoint, own *attached) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.session != own || p.stopped {
		return
	}
	e.session, e.lost, e.lostAt = nil, own, time.Now()
	if p.cfg.Lapse != nil {
		e.lapse = p.cfg.Lapse(own.Link, func(error) { p.lapsed(e, own) })
	}
	p.changed.Wake()
}

// lapsed ends the flows of a session that had no successor in time.
func (p *Pool) lapsed(e *endpoint, own *attached) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.session == nil && e.newest == own {
		e.endAll(ErrExpired)
	}
}

// Drop ends all flows at a connector that may not be used any more: it was revoked, or its
// id was given to another host.
func (p *Pool) Drop(connector spiffeid.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.endpoints[connector]; e != nil {
		e.session, e.lost = nil, nil
		e.stopLapse()
		e.endAll(ErrRevoked)
		p.changed.Wake()
	}
}

// attached is a session with the key of its flows.
type attached struct {
	Session
	key Key
}

// tick is how often the pool looks after its idle connections.
const tick = time.Second

// Run keeps connections warm until ctx ends. Then it ends all flows and returns when nothing
// of the pool runs any more.
func (p *Pool) Run(ctx context.Context) error {
	defer p.work.Wait()
	defer p.shut()
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		for _, e := range p.all() {
			e.tend(ctx)
		}
		select {
		case <-p.changed:
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (p *Pool) shut() {
	p.mu.Lock()
	p.stopped = true
	p.end()
	var all []*link
	for _, e := range p.endpoints {
		e.stopLapse()
		for l := range e.links {
			all = append(all, l)
		}
	}
	p.mu.Unlock()
	for _, l := range all {
		l.end(net.ErrClosed)
	}
}

func (p *Pool) all() []*endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*endpoint, 0, len(p.endpoints))
	for id, e := range p.endpoints {
		if e.session == nil && len(e.links) == 0 && e.dialing == 0 {
			e.stopLapse()
			delete(p.endpoints, id)
			continue
		}
		out = append(out, e)
	}
	return out
}

// candidate is a network to ask for a target.
type candidate struct {
	network   string
	endpoints []*endpoint // those first that answered last
}

// candidates are the networks to ask for a target. The one that had it last comes first: a
// network that does not have it refuses, and refuses more slowly the more often it is asked.
func (p *Pool) candidates(t Target) []candidate {
	p.mu.Lock()
	defer p.mu.Unlock()
	by, names := map[string][]*endpoint{}, []string{}
	for _, e := range p.endpoints {
		s := e.usable()
		if s == nil {
			continue
		}
		if by[s.Network] == nil {
			names = append(names, s.Network)
		}
		by[s.Network] = append(by[s.Network], e)
	}
	slices.Sort(names)
	if p.cfg.Route != nil {
		if has := p.cfg.Route(t); len(has) > 0 {
			names = has
		}
	}
	out := make([]candidate, 0, len(names))
	for _, name := range names {
		if len(by[name]) > 0 {
			slices.SortFunc(by[name], inOrder)
			out = append(out, candidate{name, by[name]})
		}
	}
	last := p.routes[t]
	if at := slices.IndexFunc(out, func(c candidate) bool { return c.network == last }); at > 0 {
		first := out[at]
		out = slices.Insert(slices.Delete(out, at, at+1), 0, first)
	}
	return out
}

// reached notes in which network a target was reached.
func (p *Pool) reached(t Target, network string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.routes) >= mostRoutes {
		clear(p.routes)
	}
	p.routes[t] = network
}

// PoolStatus is the state of a Pool at a moment.
type PoolStatus struct {
	Sessions int // attached
	Conns    int // connections
	Idle     int // of them without a flow
}

// Status may be called at any time.
func (p *Pool) Status() (st PoolStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.endpoints {
		if e.session != nil {
			st.Sessions++
		}
		st.Conns += len(e.links)
		st.Idle += len(e.idle)
	}
	return st
}
