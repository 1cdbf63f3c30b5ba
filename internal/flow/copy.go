package flow

import (
	"io"
	"net"
	"syscall"
)

// feed sends what comes from src until its end, which is not an error, and counts it. With
// fin the end of src is that of the direction, and goes with the last data when it is there.
func (l *link) feed(flow uint64, src io.Reader, fin bool) (total int64, err error) {
	next := l.source(src, fin)
	for {
		b, n, err := next()
		ends := err == io.EOF //nolint:errorlint // io.Reader's
		if n > 0 {
			total += int64(n)
			sent := l.sendData(flow, b.b, n, ends && fin)
			l.pool.put(b)
			if sent != nil || ends {
				return total, sent
			}
		}
		switch {
		case ends && fin:
			return total, l.sendFin(flow)
		case ends:
			return total, nil
		case err != nil:
			return total, &sourceError{err}
		}
	}
}

// sourceError is of the other end of a flow, not of its connection.
type sourceError struct{ error }

// Unwrap gives the error itself.
func (e *sourceError) Unwrap() error { return e.error }

// source reads src behind the room for a header, and leaves some for another one: lazily,
// where it is the kernel's. An error may come with the last bytes.
func (l *link) source(src io.Reader, ahead bool) func() (*buffer, int, error) {
	if k, ok := src.(syscall.Conn); ok {
		if raw, err := k.SyscallConn(); err == nil {
			return func() (*buffer, int, error) {
				return l.pool.lazyRead(raw, l.socket.budget, HeaderSize, MaxPayload, ahead)
			}
		}
	}
	own := &buffer{b: make([]byte, smallSize), kept: true} // a pipe, or TLS: held while it waits
	return func() (*buffer, int, error) {
		for {
			n, err := src.Read(own.b[HeaderSize : len(own.b)-HeaderSize])
			if n > 0 || err != nil {
				return own, n, err
			}
		}
	}
}

// drain writes what the peer sends to dst until its fin, and counts it. Other frames go to
// other. A frame is passed on in parts as it comes.
func (l *link) drain(dst io.Writer, other func(Header, []byte) error) (total int64, err error) {
	for {
		if l.left == 0 {
			h, payload, err := l.receive()
			switch {
			case err != nil:
				return total, err
			case h.Type == TypeFin:
				return total, nil
			case h.Type != TypeData:
				if err := other(h, payload); err != nil {
					return total, err
				}
				continue
			}
		}
		n, err := l.pass(dst)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}

// pass writes what there is of the frame.
func (l *link) pass(dst io.Writer) (n int, err error) {
	b := l.pool.get(l.socket.budget)
	defer l.pool.put(b)
	for l.left > 0 && n < len(b.b) {
		m, err := l.conn.Read(b.b[n:min(len(b.b), n+l.left)])
		n, l.left = n+m, l.left-m
		if err != nil {
			return 0, l.why(err)
		}
		if l.socket.drained() {
			break // the peer is slower than we are
		}
	}
	l.moved()
	if n, err := dst.Write(b.b[:n]); err != nil {
		return n, &sourceError{err}
	}
	return n, nil
}

// closeWriter is a connection of which one direction can be ended.
type closeWriter interface{ CloseWrite() error }

// closeWrite ends the direction to c, or all of a connection that has no directions.
func closeWrite(c net.Conn) error {
	if h, ok := c.(closeWriter); ok {
		return h.CloseWrite()
	}
	return c.Close()
}

// resetConn closes a connection so that its peer learns that the flow was not ended in order.
func resetConn(c net.Conn) {
	if t, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
