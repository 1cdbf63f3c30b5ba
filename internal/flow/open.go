package flow

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Open is OpenWith for a client that has said nothing yet.
func (p *Pool) Open(ctx context.Context, t Target) (*Conn, error) { return p.OpenWith(ctx, t, nil) }

// OpenWith connects to a target through a connector of its network. It is ErrRefused, ErrName,
// ErrConnRefused, ErrTimeout, ErrUnreachable or ErrInternal as the connector says, ErrBusy,
// or ErrNoConnector when none answers. A connector that does not see the open in time costs
// SeenWithin, and the next one is asked; one that has seen it is waited for.
//
// first is what the client has said already, at most MaxFirst bytes. It goes with the open to a
// connector that has just answered, which saves a round trip. Nobody else is asked then, because
// a target must not get it twice. Otherwise Splice, which has to follow, sends it first.
func (p *Pool) OpenWith(ctx context.Context, t Target, first []byte) (*Conn, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if len(first) > MaxFirst {
		return nil, fmt.Errorf("%w: %d bytes before the open", ErrMalformed, len(first))
	}
	networks := p.candidates(t)
	if len(networks) == 0 {
		return nil, fmt.Errorf("%w: no session with a connector that could reach %s", ErrNoConnector, t)
	}
	var fault error
	for at, network := range networks {
		c, err := p.openIn(ctx, network.endpoints, t, first)
		if err == nil {
			if len(networks) > 1 {
				p.reached(t, network.network)
			}
			return c, nil
		}
		// What a network that is asked first says of a target that it may well not have
		// does not outweigh another one.
		if fault == nil || errors.Is(fault, ErrRefused) {
			fault = err
		}
		if ctx.Err() != nil || at+1 < len(networks) && !errors.Is(err, ErrRefused) && !movesOn(err) {
			break
		}
	}
	return nil, fault
}

// movesOn says that another connector may answer better: this one has dialed nothing.
func movesOn(err error) bool {
	return errors.Is(err, ErrNoConnector) || errors.Is(err, ErrStopping) || errors.Is(err, ErrBusy) || errors.Is(err, ErrBinding)
}

// openIn asks the connectors of one network. One that cannot be dialed soon is still being
// dialed while the next one is asked.
func (p *Pool) openIn(ctx context.Context, network []*endpoint, t Target, first []byte) (*Conn, error) {
	var fault error
	for at, e := range network {
		c, err := e.open(ctx, t, first, at+1 == len(network))
		if err == nil || !movesOn(err) || ctx.Err() != nil {
			return c, err
		}
		fault = err
	}
	// All were given a short time only but the last one: whoever was slow is asked with
	// patience now.
	if len(network) > 1 && ctx.Err() == nil {
		if c, err := network[0].open(ctx, t, first, true); err == nil || !movesOn(err) {
			return c, err
		}
	}
	return nil, fault
}

// open opens a flow at this connector, on an idle connection or a new one.
func (e *endpoint) open(ctx context.Context, t Target, first []byte, last bool) (*Conn, error) {
	for {
		l := e.spare()
		if l == nil {
			break
		}
		began := time.Now()
		c, err := e.openOn(ctx, l, t, first, e.patience())
		if !errors.Is(err, ErrNoConnector) || ctx.Err() != nil {
			return c, err
		}
		// The connection ended before the open was seen: it was idle for long, and the next
		// one may be as good. One that is only silent says something of the connector.
		if time.Since(began) >= e.pool.cfg.SeenWithin {
			e.silent()
			if !last {
				return nil, err
			}
		}
	}
	l, err := e.fresh(ctx, last)
	if err != nil {
		return nil, err
	}
	patience := e.patience()
	if last {
		patience = e.pool.cfg.PatienceFor
	}
	c, err := e.openOn(ctx, l, t, first, patience)
	if errors.Is(err, ErrNoConnector) && ctx.Err() == nil {
		e.silent()
	}
	return c, err
}

// fresh is a new connection. Unless this is the last connector, it waits only a short time for
// it; the connection is kept for a later flow then.
func (e *endpoint) fresh(ctx context.Context, last bool) (*link, error) {
	p := e.pool
	type dialed struct {
		link *link
		err  error
	}
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return nil, fmt.Errorf("%w: this program stops", ErrNoConnector)
	}
	e.dialing++
	result, abandoned := make(chan dialed), make(chan struct{})
	p.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.PatienceFor)
		defer cancel()
		defer context.AfterFunc(p.life, cancel)() //nolint:contextcheck // it may outlive its caller
		l, err := e.dial(ctx)
		p.mu.Lock()
		e.dialing--
		if err == nil {
			e.suspect = false
		}
		p.mu.Unlock()
		select {
		case result <- dialed{l, err}:
		case <-abandoned:
			if err == nil {
				e.back(l, true)
			}
		}
	})
	p.mu.Unlock()
	defer close(abandoned)
	within := p.cfg.PatienceFor
	if !last {
		within = max(p.cfg.DialWithin, e.patience())
	}
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case d := <-result:
		return d.link, d.err
	case <-limit.C:
		p.mu.Lock()
		e.suspect = true
		p.mu.Unlock()
		return nil, fmt.Errorf("%w: %s did not answer within %s", ErrNoConnector, e.connector, within)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// aliveFor is how long a connector that has answered is taken to be alive, and then has to
// answer an open that carries what a client said.
const (
	aliveFor    = time.Second
	aliveWithin = 2 * time.Second
)

// openOn opens a flow on a connection, which it closes if that fails without a result.
func (e *endpoint) openOn(ctx context.Context, l *link, t Target, first []byte, patience time.Duration) (*Conn, error) {
	var early []byte
	l.mu.Lock()
	if time.Since(l.received) < aliveFor {
		early, first = first, nil
	}
	if len(early) > 0 {
		patience = max(patience, aliveWithin)
	}
	l.machine.times.Seen = patience
	l.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { _ = l.cut(context.Cause(ctx)) })
	code, seen, err := l.ask(t, early)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	switch {
	case err != nil:
		l.end(err)
		e.back(l, false)
		switch {
		case ctx.Err() != nil, CodeOf(err) == CodeTimeout:
			return nil, err
		case seen, len(early) > 0 && !refusedUnread(err): // it may have dialed, and said what the client did: nobody else is asked
			return nil, fmt.Errorf("%w: %s left while it connected: %v", ErrInternal, e.connector, err) //nolint:errorlint // that it did not answer would have others asked
		}
		return nil, fmt.Errorf("%w: %s: %w", ErrNoConnector, e.connector, err)
	case code != CodeOK:
		e.answered()
		e.back(l, true)
		return nil, code.Err()
	}
	e.answered()
	return &Conn{
		link: l, number: l.number(), target: t, connector: e.connector, back: e.back, linger: e.pool.linger, first: first, said: int64(len(early)),
	}, nil
}

// refusedUnread says that the connector has ended the connection without looking at the open: it
// was idle there, and the connector stops; or it belongs to no session.
func refusedUnread(err error) bool {
	return errors.Is(err, ErrStopping) || errors.Is(err, ErrBinding)
}

func (e *endpoint) answered() {
	e.pool.mu.Lock()
	defer e.pool.mu.Unlock()
	e.suspect = false
}

// linger runs what a closed Conn leaves. Run waits for it.
func (p *Pool) linger(fn func()) {
	p.mu.Lock()
	stopped := p.stopped
	if !stopped {
		p.work.Go(fn)
	}
	p.mu.Unlock()
	if stopped {
		fn() // its connection has ended: it does not wait
	}
}

// ask sends an open and waits for its result. seen says that the connector acts on it.
func (l *link) ask(t Target, first []byte) (code Code, seen bool, err error) {
	if err := l.send(anyFlow, frame{TypeOpen, t.AppendOpen(nil, first...)}); err != nil {
		return 0, false, err
	}
	for {
		h, payload, err := l.receive()
		switch {
		case err != nil:
			return 0, seen, err
		case h.Type == TypeResult:
			return Code(payload[0]), true, nil
		}
		seen = true
	}
}
