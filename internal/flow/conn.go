package flow

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

const (
	// partingTime and partingBytes are how long a Conn that was closed waits for the fin of the
	// target, and how much it takes until then: its connection can be used again afterwards.
	partingTime  = 2 * time.Second
	partingBytes = 256 << 10
)

// Conn is a flow as a tunneler has it: a net.Conn to the target, and CloseWrite. Its
// ReadFrom and WriteTo, which io.Copy uses, move large batches. One goroutine reads and one
// writes at a time; Close and the deadlines may be called at any time.
type Conn struct {
	link      *link
	number    uint64 // of the flow on its link
	target    Target
	connector spiffeid.ID
	back      func(l *link, again bool) // gives the connection back, once
	linger    func(func())              // runs what outlives Close
	first     []byte                    // of the client, to be sent before anything else
	said      int64                     // bytes of the client that went with the open

	reading sync.Mutex // held by the reader, and then by part

	mu      sync.Mutex
	over    bool // the link was given back: it may carry another flow
	closed  bool
	eof     bool
	parting bool
}

// Target is what was asked for.
func (c *Conn) Target() Target { return c.target }

// Connector is the SPIFFE ID of the connector that carries the flow.
func (c *Conn) Connector() spiffeid.ID { return c.connector }

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.doneReading()
	if err := c.readable(); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	for c.link.left == 0 {
		h, _, err := c.link.receive()
		if err != nil {
			return 0, c.failed(err)
		}
		if h.Type == TypeFin {
			return 0, c.finished()
		}
	}
	n, err := c.link.conn.Read(p[:min(len(p), c.link.left)])
	c.link.left -= n
	c.link.moved()
	if err != nil {
		return n, c.failed(c.link.why(err))
	}
	return n, nil
}

// WriteTo implements io.WriterTo: until the target ends its direction.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	c.reading.Lock()
	defer c.doneReading()
	switch err := c.readable(); {
	case errors.Is(err, io.EOF):
		return 0, nil
	case err != nil:
		return 0, err
	}
	n, err := c.link.drain(w, func(Header, []byte) error { return nil })
	if err != nil {
		return n, c.failed(err)
	}
	_ = c.finished()
	return n, nil
}

// readable is why nothing can be read any more.
func (c *Conn) readable() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.eof:
		return io.EOF
	case c.closed:
		return net.ErrClosed
	}
	return nil
}

// finished notes the fin of the target.
func (c *Conn) finished() error {
	c.mu.Lock()
	c.eof = true
	c.mu.Unlock()
	c.settle()
	return io.EOF
}

// settle gives the connection back when both ends have sent their fin.
func (c *Conn) settle() {
	if c.link.phase() == PhaseIdle {
		c.giveBack(true)
	}
}

func (c *Conn) giveBack(again bool) {
	c.mu.Lock()
	first := !c.over
	c.over = true
	c.mu.Unlock()
	if first {
		c.back(c.link, again)
	}
}

// failed is what the user of the Conn gets for an error of the connection.
func (c *Conn) failed(err error) error {
	c.mu.Lock()
	over, closed := c.over, c.closed
	c.mu.Unlock()
	if over || closed { // whoever closed it looks after the link
		return net.ErrClosed
	}
	var source *sourceError
	var timeout net.Error
	switch {
	case errors.As(err, &source):
		return source.error
	case errors.As(err, &timeout) && timeout.Timeout() && c.link.why(nil) == nil:
		return err // of a deadline; the flow continues
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF // without a fin: it was cut off, and must not look like its end
	}
	c.giveBack(false)
	c.link.end(err)
	return err
}

// Write implements net.Conn.
func (c *Conn) Write(p []byte) (n int, err error) {
	if c.writable() != nil {
		return 0, net.ErrClosed
	}
	for len(p) > 0 {
		b := c.link.pool.get(c.link.socket.budget)
		m := copy(b.b[HeaderSize:min(len(b.b), MaxFrame)], p)
		err := c.link.sendData(c.number, b.b, m, false)
		c.link.pool.put(b)
		if err != nil {
			return n, c.failed(err)
		}
		n, p = n+m, p[m:]
	}
	return n, nil
}

// ReadFrom implements io.ReaderFrom.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	if c.writable() != nil {
		return 0, net.ErrClosed
	}
	n, err := c.link.feed(c.number, r, false)
	if err != nil {
		return n, c.failed(err)
	}
	return n, nil
}

// rise is ReadFrom, and CloseWrite at the end of r.
func (c *Conn) rise(r io.Reader) (int64, error) {
	if c.writable() != nil {
		return 0, net.ErrClosed
	}
	n, err := c.Write(c.first)
	c.first = nil
	total := c.said + int64(n)
	if err != nil {
		return total, err
	}
	rest, err := c.link.feed(c.number, r, true)
	total += rest
	if err != nil {
		return total, c.failed(err)
	}
	c.settle()
	return total, nil
}

func (c *Conn) writable() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.over {
		return net.ErrClosed
	}
	return nil
}

// CloseWrite ends this direction. The other one continues.
func (c *Conn) CloseWrite() error {
	if err := c.writable(); err != nil {
		return err
	}
	if c.link.ended(c.number) {
		return nil
	}
	if err := c.link.sendFin(c.number); err != nil {
		return c.failed(err)
	}
	c.settle()
	return nil
}

// Close ends the flow as closing a TCP connection would: what was written still arrives, and
// what the target sends after it is not read any more.
func (c *Conn) Close() error {
	c.mu.Lock()
	first := !c.closed && !c.over
	c.closed = true
	if first {
		_ = c.link.conn.SetReadDeadline(time.Now()) // frees the reader; part removes it
	}
	c.mu.Unlock()
	if first {
		c.startParting()
	}
	return nil
}

// doneReading ends the turn of a reader. The one that Close has freed leaves the rest to part.
func (c *Conn) doneReading() {
	c.reading.Unlock()
	c.mu.Lock()
	closed := c.closed && !c.over
	c.mu.Unlock()
	if closed {
		c.startParting()
	}
}

// startParting begins part once nobody reads; the reader that is there comes here too.
func (c *Conn) startParting() {
	if !c.reading.TryLock() {
		return
	}
	c.mu.Lock()
	first := !c.parting
	c.parting = true
	c.mu.Unlock()
	if !first {
		c.reading.Unlock()
		return
	}
	c.linger(func() {
		defer c.reading.Unlock()
		c.giveBack(c.part())
	})
}

// part waits for the target's fin, so that the connection can be used again: then it is true.
func (c *Conn) part() bool {
	limit := time.AfterFunc(partingTime, func() { _ = c.link.cut(ErrAborted) })
	defer limit.Stop()
	_ = c.link.conn.SetDeadline(time.Time{})
	var err error
	if !c.link.ended(c.number) {
		err = c.link.sendFin(c.number)
	}
	c.mu.Lock()
	eof := c.eof
	c.mu.Unlock()
	if err == nil && !eof {
		_, err = c.link.drain(&atMost{left: partingBytes}, func(Header, []byte) error { return nil })
	}
	if err != nil {
		_ = c.link.cut(ErrAborted)
	}
	return err == nil && limit.Stop()
}

// atMost takes so many bytes and then fails.
type atMost struct{ left int }

// Write implements io.Writer.
func (a *atMost) Write(p []byte) (int, error) {
	if a.left -= len(p); a.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

// Abort ends the flow at once, and resets the target's connection.
func (c *Conn) Abort() {
	c.mu.Lock()
	over := c.over
	c.closed = true
	c.mu.Unlock()
	if !over {
		c.giveBack(false)
		_ = c.link.cut(ErrAborted)
	}
}

// LocalAddr implements net.Conn: of the connection to the connector.
func (c *Conn) LocalAddr() net.Addr { return c.link.of.LocalAddr() }

// RemoteAddr implements net.Conn: of the connection to the connector.
func (c *Conn) RemoteAddr() net.Addr { return c.link.of.RemoteAddr() }

// SetDeadline implements net.Conn. A Write that met its deadline ends the flow.
func (c *Conn) SetDeadline(t time.Time) error { return c.deadline(t, c.link.conn.SetDeadline) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.deadline(t, c.link.conn.SetReadDeadline) }

// SetWriteDeadline implements net.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.deadline(t, c.link.conn.SetWriteDeadline)
}

func (c *Conn) deadline(t time.Time, set func(time.Time) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case c.over:
		return nil
	}
	return set(t)
}
