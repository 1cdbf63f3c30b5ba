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

	mu      sync.Mutex
	machine *Machine
	timer   *time.Timer // the time of the phase
	reason  error       // why it ended, the first
	onCut   func(error)
	flow    uint64 // number of the present flow, of the last one while there is none

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
	l := &link{side: side, conn: conn, of: of, socket: s, pool: s.pool, machine: NewMachine(time.Now(), times)}
	l.mu.Lock()
	l.timer = time.AfterFunc(recheck, l.check)
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

// rearm sets the timer to the end of the phase. It needs the lock.
func (l *link) rearm() {
	if at, _ := l.machine.Due(); !at.IsZero() {
		l.timer.Reset(min(time.Until(at), recheck))
	} else {
		l.timer.Stop()
	}
}

// check ends the connection when its phase took too long.
func (l *link) check() {
	l.mu.Lock()
	at, reason := l.machine.Due()
	over := !at.IsZero() && !time.Now().Before(at)
	if l.reason == nil && !over {
		l.rearm()
	}
	l.mu.Unlock()
	if over {
		_ = l.cut(reason)
	}
}

// take has the machine make a step.
func (l *link) take(from Side, t Type, code Code) error { return l.takeOf(anyFlow, from, t, code) }

// takeOf is take for a frame of this flow only.
func (l *link) takeOf(flow uint64, from Side, t Type, code Code) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if flow != anyFlow && flow != l.flow {
		return errOver
	}
	before := l.machine.Phase()
	if err := l.machine.Take(time.Now(), from, t, code); err != nil {
		return err
	}
	if l.machine.Phase() != before {
		l.rearm()
	}
	if t == TypeOpen {
		l.flow++
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

// frame is one that is to be sent.
type frame struct {
	t       Type
	payload []byte
}

// send sends frames together, for a flow or anyFlow.
func (l *link) send(flow uint64, frames ...frame) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.sendNow(flow, frames...)
}

// sendNow is send for whoever has locked writing.
func (l *link) sendNow(flow uint64, frames ...frame) error {
	var out []byte
	for _, f := range frames {
		code := CodeOK
		if f.t == TypeResult || f.t == TypeReset {
			code = Code(f.payload[0])
		}
		if err := l.takeOf(flow, l.side, f.t, code); err != nil {
			return l.why(err)
		}
		out = Append(out, f.t, f.payload...)
	}
	if _, err := l.conn.Write(out); err != nil {
		return l.why(err)
	}
	return nil
}

// seen says that a flow's open is acted on, unless its result has said so.
func (l *link) seen(flow uint64) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.phase() == PhaseOpening {
		_ = l.sendNow(flow, frame{t: TypeSeen}) // whoever sends the result notices the error
	}
}

// result sends that of the present flow, with what has to come before it.
func (l *link) result(code Code) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	frames := []frame{{t: TypeSeen}, {TypeResult, []byte{byte(code)}}}
	if l.phase() != PhaseOpening {
		frames = frames[1:]
	}
	return l.sendNow(anyFlow, frames...)
}

// sendData sends the n bytes that begin at HeaderSize of b.
func (l *link) sendData(flow uint64, b []byte, n int) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.takeOf(flow, l.side, TypeData, CodeOK); err != nil {
		return l.why(err)
	}
	Header{TypeData, n}.Put(b)
	if n+HeaderSize <= 16<<10 { // one record
		if _, err := l.conn.Write(b[:HeaderSize+n]); err != nil {
			return l.why(err)
		}
		return nil
	}
	l.socket.gather()
	_, err := l.conn.Write(b[:HeaderSize+n])
	if err = errors.Join(err, l.socket.send()); err != nil {
		return l.why(err)
	}
	l.moved()
	return nil
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
		_, _ = l.conn.Write(Append(nil, TypeReset, byte(CodeOf(reason))))
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

// end closes without a word.
func (l *link) end(reason error) {
	l.mu.Lock()
	if l.reason == nil {
		l.reason = reason
	}
	l.mu.Unlock()
	l.of.Close(reason)
}
