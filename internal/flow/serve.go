package flow

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"
)

func zapReason(err error) zap.Field { return zap.NamedError("reason", err) }

// served is one connection of a tunneler. A flow has two goroutines: the one that has read its open
// connects to the target and then sends what that says, and another one is the reader from then on.
type served struct {
	acceptor *Acceptor
	link     *link
	peer     *peer

	// Under the acceptor's lock.
	bound *bound
	busy  bool // a flow was accepted

	running *Flow // until its end

	flow *carried // of the reader
}

// serve runs until the connection ends.
func (s *served) serve() { s.read(s.first()) }

// read reads until the connection ends, or another goroutine does.
func (s *served) read(err error) {
	for err == nil {
		err = s.next()
	}
	if errors.Is(err, errPassedOn) {
		return
	}
	if c := s.flow; c != nil {
		c.lose(err)
		<-c.done
	}
	if errors.Is(err, ErrMalformed) || errors.Is(err, ErrOrder) || errors.Is(err, ErrBinding) || errors.Is(err, ErrProtocol) {
		s.acceptor.cfg.Misbehaved(s.link.of, err)
	}
	s.acceptor.leave(s)
	if s.link.why(nil) == nil { // after a cut, the reset is on its way
		s.link.end(err)
	}
	s.link.socket.release()
}

// first takes the bind.
func (s *served) first() error {
	_, payload, err := s.link.receive()
	if err != nil {
		return err
	}
	return s.claim(payload, s.acceptor.bind)
}

func (s *served) claim(payload []byte, with func(*served, Claim) error) error {
	c, err := ParseClaim(payload)
	if err == nil {
		err = with(s, c)
	}
	if err != nil {
		return s.link.cut(err)
	}
	return nil
}

// next takes one frame, or a direction of a flow to its end.
func (s *served) next() error {
	h, payload, err := s.link.receive()
	if err != nil {
		return err
	}
	switch h.Type {
	case TypeOpen:
		return s.open(payload)
	case TypeData:
		return s.up()
	case TypeFin:
		return s.flow.upEnded(0, nil)
	default:
		return s.other(h, payload)
	}
}

// other is the one frame that may come within a flow.
func (s *served) other(_ Header, payload []byte) error { return s.claim(payload, s.acceptor.rebind) }

// up passes data on until the tunneler's fin.
func (s *served) up() error {
	n, err := s.link.drain(s.flow.target(), s.other)
	var target *sourceError
	if errors.As(err, &target) {
		err = s.link.cut(ErrAborted)
	}
	return s.flow.upEnded(n, err)
}

// open begins a flow.
func (s *served) open(payload []byte) error {
	if s.flow != nil {
		<-s.flow.done // its last words were sent; it is about to return
		s.flow = nil
	}
	t, first, err := ParseOpen(payload)
	if err != nil {
		return s.link.cut(err)
	}
	if s.link.socket.hungUp() {
		return io.EOF // the tunneler has given up and asks another connector: nothing is dialed
	}
	wait, err := s.acceptor.beginFlow(s)
	switch {
	case errors.Is(err, ErrRevoked):
		return s.link.cut(err) // as Sweep would: no result says that
	case err != nil:
		return s.link.result(resultOf(err), true)
	}
	ctx, cancel := context.WithCancelCause(s.acceptor.life)
	c := &carried{
		served: s, first: first, cancel: cancel, done: make(chan struct{}),
	}
	c.flow = NewFlow(s.link.of.Peer(), t, func(reason error) { s.acceptor.cut(c, reason) })
	c.flow.Conn = s.link.of
	s.acceptor.begun(s, c.flow)
	if from, ok := s.link.of.RemoteAddr().(*net.TCPAddr); ok {
		c.flow.From = from.AddrPort()
	}
	s.flow = c
	s.link.whenCut(c.lose) // the target is left at once, also when the tunneler does not read
	s.acceptor.work.Go(func() { s.read(nil) })
	c.run(ctx, wait)
	return errPassedOn
}

// errPassedOn is of a reader that another one follows.
var errPassedOn = errors.New("another goroutine reads")

// seenAfter is how long a seen waits for the result, so that both go together: most targets are
// near.
const seenAfter = 20 * time.Millisecond

// carried is a flow from its open on. Its directions end in any order, and the last one ends the
// flow: so neither waits for the other in a goroutine of its own.
type carried struct {
	served *served
	flow   *Flow
	first  []byte // what the client said before the target was connected
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the flow has ended, and nothing of it runs

	mu    sync.Mutex
	conn  net.Conn // nil until the target is connected
	lost  error    // why the connection of the tunneler ended
	up    int64
	upErr error
	rose  bool // the direction to the target is over
	fell  bool // the other one is, in order: with down in end
	end   End
}

// target is what the reader writes to. A tunneler sends data after the result, and so after
// connect has set it.
func (c *carried) target() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

// upEnded notes the end of the direction to the target: by a fin, or why not.
func (c *carried) upEnded(n int64, err error) error {
	c.mu.Lock()
	c.up, c.upErr = c.up+n, err
	conn, last := c.conn, c.rise()
	c.mu.Unlock()
	switch {
	case last:
		c.finish()
	case err == nil:
		_ = closeWrite(conn) // a target that has closed first does not need it
		if c.served.link.phase() == PhaseIdle {
			<-c.done // run is about to end it
		}
	}
	return err
}

// rise notes that the direction to the target is over, and says whether that ends the flow. It
// needs the lock.
func (c *carried) rise() (last bool) {
	last = !c.rose && c.fell
	c.rose = true
	return last
}

// lose notes that the tunneler's connection ended, and ends that of the target in the same way. The
// caller may hold locks.
func (c *carried) lose(err error) {
	c.cancel(err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost == nil {
		c.lost = err
	}
	if c.conn != nil {
		resetConn(c.conn)
	}
	if c.rise() {
		c.served.acceptor.work.Go(c.finish) // serve waits for it
	}
}

// connected notes the connection to the target; false is too late.
func (c *carried) connected(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	return c.lost == nil
}

// run connects and passes on what the target sends.
func (c *carried) run(ctx context.Context, wait time.Duration) {
	down, connected, err := c.carry(ctx, wait)
	c.mu.Lock()
	c.end = End{Down: down, Connected: connected, Reason: err}
	c.fell = err == nil
	over := err != nil || c.rose
	c.mu.Unlock()
	if over {
		c.finish()
	}
}

// finish ends the flow.
func (c *carried) finish() {
	defer close(c.done)
	c.cancel(nil)
	c.mu.Lock()
	end := c.end
	end.Up = c.up
	if end.Reason == nil {
		end.Reason = c.upErr
	}
	if end.Connected && c.lost != nil {
		end.Reason = c.lost
	}
	if c.conn != nil {
		_ = c.conn.Close()
	}
	c.mu.Unlock()
	c.served.acceptor.cfg.Handler.Ended(c.flow, end)
	c.served.acceptor.endFlow(c.served)
}

// say sends the target what the client said before it was connected.
func (c *carried) say(conn net.Conn) error {
	n, err := conn.Write(c.first)
	c.first = nil
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up = int64(n)
	return err
}

func (c *carried) carry(ctx context.Context, wait time.Duration) (down int64, connected bool, err error) {
	l := c.served.link
	if wait > 0 {
		turn := time.NewTimer(wait)
		defer turn.Stop()
		select {
		case <-turn.C:
		case <-ctx.Done(): // and so Open does nothing
		}
		c.flow.Opened = time.Now() // from which a refusal is timed
	}
	conn, err := c.served.acceptor.cfg.Handler.Open(ctx, c.flow)
	if err != nil {
		_ = l.result(resultOf(err), true)
		return 0, false, err
	}
	if !c.connected(conn) {
		resetConn(conn)
		return 0, false, context.Cause(ctx)
	}
	// Before the result, after which the tunneler sends more. It fits in what the kernel keeps.
	early, unsaid := len(c.first) > 0, error(nil)
	if early {
		if err := l.acting(); err != nil {
			resetConn(conn)
			return 0, true, err
		}
		unsaid = c.say(conn)
	}
	if err := l.result(CodeOK, !early); err != nil {
		resetConn(conn)
		return 0, true, err
	}
	if unsaid != nil {
		resetConn(conn)
		return 0, true, l.cut(ErrAborted)
	}
	if down, err = l.feed(anyFlow, conn, true); err != nil {
		var target *sourceError
		if errors.As(err, &target) {
			err = l.cut(ErrAborted) // or why it ended before: then lose has reset the target
		}
		resetConn(conn)
		return down, true, err
	}
	return down, true, nil
}
