package session

import (
	"context"
	"errors"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/directory"
)

// Run follows the directory until ctx ends. It returns when every session that start began
// has ended.
func (m *Manager) Run(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	if m.door != nil {
		g.Go(func() error { return m.door.run(gctx) })
	}
	g.Go(func() error { return m.follow(gctx, g) })
	return g.Wait()
}

// start needs the lock.
func (m *Manager) start(ctx context.Context, g *errgroup.Group, c directory.Connector) error {
	left := func() {}
	if m.door != nil {
		left = m.door.look
	}
	s, err := newSession(m.cfg, c, left)
	if err != nil {
		return err
	}
	s.withheld = m.door != nil && m.door.first()
	s.dial(c.Addresses)
	ctx, cancel := context.WithCancel(ctx)
	stop := sync.OnceFunc(func() { close(s.gone); cancel() })
	m.sessions[c.SPIFFEID] = &running{Session: s, stop: stop}
	g.Go(func() error {
		defer stop()
		return s.run(ctx)
	})
	return nil
}

// run keeps the session until ctx ends. Its client calls serve with each connection.
func (s *Session) run(ctx context.Context) error {
	defer s.kick()
	return s.client.Run(ctx)
}

// serve is one Session stream of the own client.
func (s *Session) serve(ctx context.Context, conn *grpc.ClientConn, established func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(ctx, conn)
	if err != nil {
		return err
	}
	if err := s.judge(stream.link); err != nil {
		return err
	}
	if !s.take(nil) {
		return errHeld
	}
	defer s.leave()
	return s.carry(cancel, stream, established)
}

// carry is the session on one stream, which the caller has taken.
func (s *Session) carry(cancel context.CancelFunc, stream opened, established func()) error {
	s.link.Store(stream.link)
	s.tally.open()
	defer s.tally.close()
	gone := make(chan struct{})
	var cause error
	go func() { // joined by gone
		defer close(gone)
		defer cancel()
		cause = s.receive(stream, established)
	}()
	err := s.beat(stream, gone)
	if err == nil || errors.Is(err, io.EOF) { // the reason is on the receiving side
		<-gone
		return cause
	}
	cancel()
	<-gone
	return err
}

// receive returns why the session is over: the connector ended it, or answers what
// we did not say.
func (s *Session) receive(stream opened, established func()) error {
	detach := func() {}
	defer func() { detach() }()
	for first := true; ; first = false {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errors.New("the connector closed the session")
		}
		if err != nil {
			return err
		}
		if err := s.tally.take(msg); err != nil {
			return err
		}
		if first {
			if detach, err = s.attach(stream.link, msg.GetSessionId()); err != nil {
				return err
			}
		}
		established()
	}
}
