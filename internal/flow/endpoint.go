package flow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// endpoint is one connector with the connections to it. Its fields are under the pool's lock.
type endpoint struct {
	pool      *Pool
	connector spiffeid.ID
	session   *attached
	lost      *attached // the session before, for openGrace while there is none
	lostAt    time.Time
	newest    *attached // the last that was attached
	lapse     func()    // stops the watch over what it has left; nil while it is attached
	links     map[*link]struct{}
	idle      []idleLink // the one that was used last at the end
	dialing   int
	suspect   bool      // it did not answer; it is asked last until it does
	retry     time.Time // when a warm connection is tried again
	failures  int
	away      time.Duration // the time that a TCP handshake took
}

type idleLink struct {
	*link
	since time.Time
}

// inOrder sorts those first that answer.
func inOrder(a, b *endpoint) int {
	switch {
	case a.suspect != b.suspect:
		if a.suspect {
			return 1
		}
		return -1
	case (a.session == nil) != (b.session == nil):
		if a.session == nil {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(a.away, b.away), cmp.Compare(a.connector.String(), b.connector.String()))
}

// usable is the session that flows are bound to: also one that was lost a moment ago, for
// the connector takes flows on it for some time. It needs the lock.
func (e *endpoint) usable() *attached {
	if e.session != nil {
		return e.session
	}
	return e.lost
}

// spare is an idle connection, nil if there is none.
func (e *endpoint) spare() *link {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	for n := len(e.idle); n > 0; n = len(e.idle) {
		l := e.idle[n-1].link
		e.idle = e.idle[:n-1]
		if !l.socket.left() && l.why(nil) == nil {
			return l
		}
		e.drop(l)
	}
	return nil
}

// drop forgets a connection, and closes it. It needs the lock.
func (e *endpoint) drop(l *link) {
	delete(e.links, l)
	l.end(errSpare)
}

// back takes a connection whose flow is over.
func (e *endpoint) back(l *link, again bool) {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	if !again || e.pool.stopped || e.usable() == nil || len(e.idle) >= e.pool.cfg.MostIdle {
		if again {
			e.drop(l)
		}
		delete(e.links, l)
		return
	}
	e.idle = append(e.idle, idleLink{l, time.Now()})
}

// endAll ends every connection with its flow. It needs the lock.
func (e *endpoint) endAll(reason error) {
	for l := range e.links {
		delete(e.links, l)
		l.end(reason)
	}
	e.idle = nil
}

// stopLapse needs the lock.
func (e *endpoint) stopLapse() {
	if e.lapse != nil {
		e.lapse()
		e.lapse = nil
	}
}

// silent notes that the connector did not answer: its idle connections are of no use either.
func (e *endpoint) silent() {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	e.suspect = true
	for _, i := range e.idle {
		e.drop(i.link)
	}
	e.idle = nil
	e.pool.changed.Wake()
}

// patience is how long an open may take to be seen while there is another connector.
func (e *endpoint) patience() time.Duration {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	return min(max(e.pool.cfg.SeenWithin, 4*e.away), e.pool.cfg.PatienceFor)
}

// tend closes idle connections that are old or dead, and makes warm ones.
func (e *endpoint) tend(ctx context.Context) {
	p := e.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	now, keep := time.Now(), e.idle[:0]
	if e.lost != nil && now.Sub(e.lostAt) > openGrace {
		e.lost = nil
	}
	for at, i := range e.idle {
		old := len(e.idle)-at > p.cfg.Warm && now.Sub(i.since) > p.cfg.IdleFor
		if old || e.usable() == nil || i.socket.left() || i.why(nil) != nil {
			e.drop(i.link)
			continue
		}
		keep = append(keep, i)
	}
	clear(e.idle[len(keep):])
	e.idle = keep
	if e.session == nil || now.Before(e.retry) {
		return
	}
	for range p.cfg.Warm - len(e.idle) - e.dialing {
		if len(e.links)+e.dialing >= p.cfg.MostConns {
			return
		}
		e.dialing++
		p.work.Go(func() { e.warm(ctx) })
	}
}

// warm makes a connection that waits for a flow.
func (e *endpoint) warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, e.pool.cfg.PatienceFor)
	defer cancel()
	l, err := e.dial(ctx)
	p := e.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	e.dialing--
	if err != nil {
		e.failures = min(e.failures+1, 6)
		e.retry = time.Now().Add(tick << e.failures / 2)
		if ctx.Err() == nil {
			p.cfg.Log.Info("no flow connection to a connector", zap.Stringer("connector_spiffe_id", e.connector), zap.Error(err))
		}
		return
	}
	e.failures, e.retry, e.suspect = 0, time.Time{}, false
	e.idle = append(e.idle, idleLink{l, time.Now()})
}

// awayFirst and awayLongest are how long a connection waits that was turned away, about.
const awayFirst, awayLongest = 25 * time.Millisecond, 400 * time.Millisecond

// dial makes a connection and binds it. The connector answers to a bind only if it refuses.
// A connector takes only so many new connections in a second, and resets the others at once,
// before it knows who they are of: they come again, until ctx ends.
func (e *endpoint) dial(ctx context.Context) (*link, error) {
	for pause := awayFirst; ; pause = min(2*pause, awayLongest) {
		l, err := e.dialOnce(ctx)
		if err == nil || !errors.Is(err, syscall.ECONNRESET) {
			return l, err
		}
		again := time.NewTimer(pause/2 + rand.N(pause)) //nolint:gosec // only so that not all come at once
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return nil, err
		}
	}
}

func (e *endpoint) dialOnce(ctx context.Context) (*link, error) {
	p := e.pool
	p.mu.Lock()
	s := e.usable()
	full := len(e.links) >= p.cfg.MostConns
	p.mu.Unlock()
	switch {
	case s == nil:
		return nil, fmt.Errorf("%w: no session with %s", ErrNoConnector, e.connector)
	case full:
		return nil, ErrBusy
	}
	fault := fmt.Errorf("%w: %s has no address", ErrNoConnector, e.connector)
	for _, address := range s.Addresses {
		l, err := e.dialAt(ctx, s, address)
		if err == nil {
			return l, nil
		}
		fault = fmt.Errorf("%w: %s at %s: %w", ErrNoConnector, e.connector, address, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fault
}

func (e *endpoint) dialAt(ctx context.Context, s *attached, address string) (*link, error) {
	p := e.pool
	began := time.Now()
	raw, err := p.cfg.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	away := time.Since(began)
	socket := newSocket(raw, p.buffers)
	conn, of, err := mtls.DialFlow(ctx, socket, mtls.ClientConfig(p.cfg.Identity, mtls.Exactly(e.connector)))
	if err != nil {
		return nil, err
	}
	if s.Judge != nil {
		err = s.Judge(of)
	}
	value, derr := of.Derive(ConnectionLabel)
	if err = errors.Join(err, derr); err != nil {
		of.Close(err)
		return nil, err
	}
	l := newLink(SideTunneler, conn, of, socket, Times{Seen: p.cfg.SeenWithin, Result: p.cfg.ResultWithin})
	l.value = value
	// A session that is attached after this one was chosen is proved by prove, which finds the
	// connection, and waits here until it is bound.
	l.writing.Lock()
	defer l.writing.Unlock()
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		l.end(errSpare)
		return nil, errSpare
	}
	e.links[l], e.away = struct{}{}, away
	if now := e.usable(); now != nil {
		s = now
	}
	p.mu.Unlock()
	if err := l.sendNow(anyFlow, l.claim(TypeBind, s)); err != nil {
		p.mu.Lock()
		delete(e.links, l)
		p.mu.Unlock()
		l.end(err)
		return nil, err
	}
	return l, nil
}

// claim is a bind or a proof.
func (l *link) claim(t Type, s *attached) frame {
	b := Binding{Role: RoleTunneler, Session: s.ID, Tunneler: l.of.Self(), Connector: l.of.Peer(), Connection: l.value}
	return frame{t, Claim{s.ID, b.MAC(s.key)}.AppendClaim(nil)}
}

// prove moves a connection to a newer session. A connection whose writer the peer holds up
// is proved when that ends.
func (e *endpoint) prove(l *link, s *attached) { _ = l.send(anyFlow, l.claim(TypeProof, s)) }
