package flow

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// lastWords is how long a reset has to reach a peer that reads, before the socket is closed.
const lastWords = 250 * time.Millisecond

// recheck bounds the sleep of a timer: the time of a phase may have moved on.
const recheck = time.Minute

// link is one connection with its machine. It has one reader at a time; any number may send.
type link struct {
	side   Side
	conn   net.Conn // TLS
	of     *mtls.Conn
	socket *Socket
	pool   *buffers

	writing sync.Mutex // keeps the frames apart

	mu       sync.Mutex
	machine  *Machine
	timer    *time.Timer // for what has to be done by a time
	armed    time.Time   // when it fires; zero if it does not
	owed     []byte      // frames that go with what is sent next, and by owedAt at the latest
	owedAt   time.Time   // zero is none
	seenAt   time.Time   // of a connector: when the present open gets a seen, if it has no result then
	reason   error       // why it ended, the first
	onCut    func(error)
	received time.Time // when the peer sent something last
	flow     uint64    // number of the present flow, of the last one while there is none

	// Of the reader.
	head [HeaderSize]byte
	have int // bytes of head: a deadline may come in between
	left int // bytes of the data frame that it is in

	value mtls.Exporter // of the connection, for claims
}

// errOver is of a frame for a flow whose connection carries another one by now.
var errOver = errors.New("the flow is over")

// anyFlow is the number for whoever does not keep a flow beyond its end.
const anyFlow = 0

func newLink(side Side, conn net.Conn, of *mtls.Conn, s *Socket, times Times) *link {
	l := &link{side: side, conn: conn, of: of, socket: s, pool: s.pool, machine: NewMachine(time.Now(), times), received: time.Now()}
	l.mu.Lock()
	l.timer = time.AfterFunc(recheck, l.check)
	l.armed = time.Now().Add(recheck)
	l.rearm()
	l.mu.Unlock()
	of.OnClose(func(reason error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.timer.Stop()
		if l.reason == nil {
			l.reason = reason
		}
	})
	return l
}

// due is when there is something to do next; zero is never. It needs the lock.
func (l *link) due() time.Time {
	at, _ := l.machine.Due()
	also := l.owedAt
	if l.machine.Phase() == PhaseOpening && also.IsZero() {
		also = l.seenAt
	}
	if !also.IsZero() && (at.IsZero() || also.Before(at)) {
		return also
	}
	return at
}

// rearm has the timer fire by then. If it fires sooner it is left alone, and looks again: a flow
// is mostly over before anything of it is due, and setting a timer may wake a thread. It needs
// the lock.
func (l *link) rearm() {
	at := l.due()
	if at.IsZero() {
		return
	}
	now := time.Now()
	if late := now.Add(recheck); at.After(late) {
		at = late
	}
	if l.armed.IsZero() || at.Before(l.armed) {
		l.armed = at
		l.timer.Reset(at.Sub(now))
	}
}

// check ends the connection when its phase took too long, and sends what is due.
func (l *link) check() {
	l.mu.Lock()
	now := time.Now()
	l.armed = time.Time{}
	at, reason := l.machine.Due()
	over := !at.IsZero() && !now.Before(at)
	seen := l.machine.Phase() == PhaseOpening && isDue(l.seenAt, now)
	if seen {
		l.seenAt = time.Time{}
	}
	owed, number := isDue(l.owedAt, now), l.flow
	if l.reason == nil && !over && !owed {
		l.rearm()
	}
	l.mu.Unlock()
	if over {
		_ = l.cut(reason)
		return
	}
	if seen {
		l.seen(number)
	}
	if owed {
		_ = l.send(anyFlow) // whoever sends or reads next notices the error
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.reason == nil {
			l.rearm()
		}
	}
}

func isDue(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// take has the machine make a step.
func (l *link) take(from Side, t Type, code Code) error { return l.takeOf(anyFlow, from, t, code) }

// takeOf is take for a frame of this flow only.
func (l *link) takeOf(flow uint64, from Side, t Type, code Code) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if flow != anyFlow && flow != l.flow {
		return errOver
	}
	before, now := l.machine.Phase(), time.Now()
	if err := l.machine.Take(now, from, t, code); err != nil {
		return err
	}
	if from != l.side {
		l.received = now
	}
	if t == TypeOpen {
		l.flow++
		if l.side == SideConnector {
			l.seenAt = now.Add(seenAfter)
		}
	}
	if l.machine.Phase() != before {
		l.rearm()
	}
	return nil
}

// moved notes progress within a frame.
func (l *link) moved() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.machine.Moved(time.Now())
}

func (l *link) phase() Phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.machine.Phase()
}

// ended says that this end has sent its fin of the flow, or that it is over.
func (l *link) ended(flow uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return flow != anyFlow && flow != l.flow || l.machine.Phase() != PhaseFlowing || l.machine.Ended(l.side)
}

// number is that of the present flow.
func (l *link) number() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flow
}

// why is the reason of the end, or err where there is none.
func (l *link) why(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reason != nil {
		return l.reason
	}
	return err
}

// receive reads up to the next frame, and its payload unless it is data: then left says how
// much of that there is.
func (l *link) receive() (Header, []byte, error) {
	for l.have < HeaderSize {
		n, err := l.conn.Read(l.head[l.have:])
		l.have += n
		if err != nil {
			return Header{}, nil, l.why(err)
		}
	}
	l.have = 0
	h, err := ParseHeader(l.head)
	if err == nil {
		err = l.expects(h.Type) // before anything is read for it
	}
	if err != nil {
		return Header{}, nil, l.cut(err)
	}
	if h.Type == TypeData {
		l.left = h.Length
		return h, nil, l.take(1-l.side, h.Type, CodeOK)
	}
	payload := make([]byte, h.Length)
	if _, err := io.ReadFull(l.conn, payload); err != nil {
		return Header{}, nil, l.why(err)
	}
	code := CodeOK
	if h.Type == TypeResult || h.Type == TypeReset {
		if code, err = parseCode(h.Type, payload[0]); err != nil {
			return Header{}, nil, l.cut(err)
		}
	}
	if err := l.take(1-l.side, h.Type, code); err != nil {
		return Header{}, nil, l.cut(err)
	}
	if h.Type == TypeReset {
		err := code.Err()
		if l.side == SideConnector {
			err = ErrAborted // what else a tunneler says of it would stand in the record of the flow
		}
		l.end(err)
		return h, payload, err
	}
	return h, payload, nil
}

// here says that the next frame's header is. It asks nobody for it, and so does not wait.
func (l *link) here() bool {
	l.socket.dry = true
	for err := error(nil); l.have < HeaderSize && err == nil; {
		var n int
		n, err = l.conn.Read(l.head[l.have:])
		l.have += n
	}
	l.socket.dry = false
	return l.have == HeaderSize
}

func (l *link) expects(t Type) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.machine.Check(1-l.side, t)
}

// cut sends the peer why, if that is possible soon, and closes. It returns why the connection
// ended, which may have been before. It blocks for lastWords at most.
func (l *link) cut(reason error) error {
	l.mu.Lock()
	if l.reason != nil {
		defer l.mu.Unlock()
		return l.reason
	}
	l.reason = reason
	// From here on nothing is passed on, whatever the peer does.
	speak := l.machine.Take(time.Now(), l.side, TypeReset, CodeOK) == nil
	l.timer.Stop()
	hook := l.onCut
	l.mu.Unlock()
	if hook != nil {
		hook(reason)
	}
	l.of.CloseAfter(lastWords, reason)
	_ = l.conn.SetReadDeadline(time.Now()) // frees the reader
	// Frees a writer that a peer which does not read holds up.
	_ = l.conn.SetWriteDeadline(time.Now().Add(lastWords * 4 / 5))
	l.writing.Lock()
	defer l.writing.Unlock()
	if speak {
		_, _ = l.conn.Write(Append(l.pay(), TypeReset, byte(CodeOf(reason))))
	}
	return reason
}

// whenCut has fn called when this end cuts the connection. It must not block.
func (l *link) whenCut(fn func(error)) {
	l.mu.Lock()
	reason := l.reason
	l.onCut = fn
	l.mu.Unlock()
	if reason != nil {
		fn(reason)
	}
}

// end closes without a word, but for what is owed: without its fin a flow would not have ended
// in order.
func (l *link) end(reason error) {
	if l.writing.TryLock() { // otherwise it is being sent
		if owed := l.pay(); owed != nil {
			_ = l.conn.SetWriteDeadline(time.Now().Add(finLater)) // the caller may hold a lock
			_, _ = l.conn.Write(owed)
		}
		l.writing.Unlock()
	}
	l.mu.Lock()
	if l.reason == nil {
		l.reason = reason
	}
	l.mu.Unlock()
	l.of.Close(reason)
}
