package flow

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// openGrace is how long after the loss of a session new flows are taken on it. It is how long
// the tunneler is ONLINE without one, so nobody opens flows whom the controller does not see.
const openGrace = 30 * time.Second

// Accepted is a session that a connector has accepted.
type Accepted struct {
	ID SessionID
	// Instance of the tunneler's program: only its next session takes over its flows.
	Instance Instance
	// Link is the connection of the session.
	Link *mtls.Conn
}

// bound is a session with the connections that are bound to it. Its fields are under the
// acceptor's lock.
type bound struct {
	Accepted

	key   Key
	links map[*served]struct{}

	lost  bool
	over  bool // no new flow
	lapse func()
	grace *time.Timer
}

// Ticket is the session of an Acceptor, for whoever runs it.
type Ticket struct {
	of *Acceptor
	b  *bound
}

// Attach lets connections bind to a session.
func (a *Acceptor) Attach(s Accepted) (*Ticket, error) {
	key, err := s.Link.Derive(KeyLabel)
	if err != nil {
		return nil, err
	}
	b := &bound{Accepted: s, key: Key(key), links: map[*served]struct{}{}, lapse: func() {}}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopping {
		return nil, ErrStopping
	}
	a.bounds[s.ID] = b
	return &Ticket{a, b}, nil
}

// Lost says that the session is over and nothing is wrong with its tunneler: its flows wait
// for the next one, for as long as what was proved lasts.
func (t *Ticket) Lost() {
	stop := t.of.cfg.Lapse(t.b.Link, func(why error) {
		t.of.cfg.Log.Debug("flows of a lost session ended", zapReason(why))
		t.End(ErrExpired)
	})
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if t.b.lost || t.of.stopping {
		stop()
		return
	}
	t.b.lost, t.b.lapse = true, stop
	t.b.grace = time.AfterFunc(openGrace, t.noNewFlows)
}

// Conns counts the connections that belong to the session.
func (t *Ticket) Conns() int {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	return len(t.b.links)
}

// noNewFlows ends what has no flow.
func (t *Ticket) noNewFlows() {
	a := t.of
	a.mu.Lock()
	defer a.mu.Unlock()
	t.b.over = true
	for s := range t.b.links {
		if !s.busy && !a.stopping {
			a.work.Go(func() { _ = s.link.cut(ErrBinding) })
		}
	}
	a.forget(t.b)
}

// End ends the session with all its flows.
func (t *Ticket) End(reason error) {
	a := t.of
	a.mu.Lock()
	defer a.mu.Unlock()
	t.b.lost, t.b.over = true, true
	t.b.stopTimers()
	for s := range t.b.links {
		a.work.Go(func() { _ = s.link.cut(reason) })
	}
	delete(a.bounds, t.b.ID)
}

func (b *bound) stopTimers() {
	b.lapse()
	if b.grace != nil {
		b.grace.Stop()
	}
}

// forget drops a session that was lost when nothing can bind to it and nothing is. It needs
// the lock.
func (a *Acceptor) forget(b *bound) {
	if b.over && len(b.links) == 0 {
		b.stopTimers()
		delete(a.bounds, b.ID)
	}
}

// bind ties a new connection to the session that it names.
func (a *Acceptor) bind(s *served, c Claim) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.bounds[c.Session]
	if err := s.verify(b, c); err != nil {
		return err
	}
	a.unbound--
	s.peer.unbound--
	s.bound = b
	b.links[s] = struct{}{}
	return nil
}

// rebind moves a connection to a newer session of the same program.
func (a *Acceptor) rebind(s *served, c Claim) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.bounds[c.Session]
	if err := s.verify(b, c); err != nil {
		return err
	}
	// The key proves that both ends of the connection are those of the session. The instance
	// keeps a program that has the same SVID from giving its flows away, or taking some.
	if b.Instance != s.bound.Instance {
		return ErrBinding
	}
	from := s.bound
	delete(from.links, s)
	s.bound = b
	b.links[s] = struct{}{}
	a.forget(from)
	return nil
}

// verify needs the lock.
func (s *served) verify(b *bound, c Claim) error {
	of := s.link.of
	if b == nil || b.over || b.Link.Peer() != of.Peer() {
		return ErrBinding
	}
	if err := s.acceptor.admitted(s); err != nil {
		return err
	}
	value, err := of.Derive(ConnectionLabel)
	if err != nil {
		return err
	}
	binding := Binding{Role: RoleTunneler, Session: c.Session, Tunneler: of.Peer(), Connector: of.Self(), Connection: value}
	return binding.Verify(b.key, c.MAC)
}
