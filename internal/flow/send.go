package flow

import (
	"errors"
	"time"
)

// How long frames for which nobody waits may wait for what is sent next: the fin that ends a
// flow, for the open of another one; the result of an open that brought what its client said, for
// what the target answers.
const (
	finLater    = 5 * time.Millisecond
	resultLater = 3 * time.Millisecond
)

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

// sendFin ends this direction. When the peer has ended its own, nobody waits for it: it goes
// with what is sent next, which under load is the open of the next flow.
func (l *link) sendFin(flow uint64) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	last := l.side == SideTunneler && l.machine.Phase() == PhaseFlowing && l.machine.Ended(SideConnector)
	l.mu.Unlock()
	if !last {
		return l.sendNow(flow, frame{t: TypeFin})
	}
	return l.owe(flow, finLater, frame{t: TypeFin})
}

// owe has frames sent with what is sent next, or later. It needs writing.
func (l *link) owe(flow uint64, later time.Duration, frames ...frame) error {
	out, err := l.put(flow, frames)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owed, l.owedAt = append(l.owed, out...), time.Now().Add(later)
	l.rearm()
	return nil
}

// pay returns what is owed, which goes before anything else. It needs writing.
func (l *link) pay() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.owed
	l.owed, l.owedAt = nil, time.Time{}
	return out
}

// put makes the steps of frames that are about to be sent, and returns their bytes.
func (l *link) put(flow uint64, frames []frame) (out []byte, err error) {
	for _, f := range frames {
		code := CodeOK
		if f.t == TypeResult || f.t == TypeReset {
			code = Code(f.payload[0])
		}
		if err := l.takeOf(flow, l.side, f.t, code); err != nil {
			return nil, l.why(err)
		}
		out = Append(out, f.t, f.payload...)
	}
	return out, nil
}

// sendNow is send for whoever has locked writing.
func (l *link) sendNow(flow uint64, frames ...frame) error {
	out, err := l.put(flow, frames)
	if err != nil {
		return err
	}
	if out = append(l.pay(), out...); len(out) == 0 {
		return nil
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

// acting has the peer learn of a seen before any reset: from here on the target gets what came with
// the open, and must not get it from another connector again.
func (l *link) acting() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if l.phase() != PhaseOpening {
		return l.why(nil)
	}
	return l.owe(anyFlow, resultLater, frame{t: TypeSeen})
}

// result sends that of the present flow, with what has to come before it: now, or with the
// target's first bytes if they come at once.
func (l *link) result(code Code, now bool) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	frames := []frame{{t: TypeSeen}, {TypeResult, []byte{byte(code)}}}
	if l.phase() != PhaseOpening {
		frames = frames[1:]
	}
	if !now {
		return l.owe(anyFlow, resultLater, frames...)
	}
	return l.sendNow(anyFlow, frames...)
}

// sendData sends the n bytes that begin at HeaderSize of b, and with fin that nothing follows
// them.
func (l *link) sendData(flow uint64, b []byte, n int, fin bool) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.takeOf(flow, l.side, TypeData, CodeOK); err != nil {
		return l.why(err)
	}
	Header{TypeData, n}.Put(b)
	out := b[:HeaderSize+n]
	if fin {
		if err := l.takeOf(flow, l.side, TypeFin, CodeOK); err != nil {
			return l.why(err)
		}
		out = Append(out, TypeFin)
	}
	owed := l.pay()
	if len(owed)+len(out) <= 16<<10 { // one record
		if len(owed) > 0 {
			out = append(owed, out...)
		}
		if _, err := l.conn.Write(out); err != nil {
			return l.why(err)
		}
		return nil
	}
	l.socket.gather()
	_, err := l.conn.Write(owed)
	if err == nil {
		_, err = l.conn.Write(out)
	}
	if err = errors.Join(err, l.socket.send()); err != nil {
		return l.why(err)
	}
	l.moved()
	return nil
}
