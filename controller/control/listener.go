package control

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// listener remembers its connections, so that a shutdown can close one that gRPC
// does not know of yet: a peer that connects and then says nothing would hold it
// up for the whole connection timeout.
type listener struct {
	net.Listener

	mu   sync.Mutex
	open map[*conn]struct{}
}

func newListener(l net.Listener) *listener {
	return &listener{Listener: l, open: map[*conn]struct{}{}}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, of: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[c] = struct{}{}
	return c, nil
}

// cut closes all open connections.
func (l *listener) cut() {
	l.mu.Lock()
	all := make([]*conn, 0, len(l.open))
	for c := range l.open {
		all = append(all, c)
	}
	l.mu.Unlock()
	for _, c := range all {
		_ = c.Close()
	}
}

type conn struct {
	net.Conn
	of *listener
	// taken is set when the connection is not gRPC's any more.
	taken atomic.Bool
}

// SetDeadline implements net.Conn for gRPC, which clears the deadline of every
// connection after its handshake: also of one that it was told to leave alone, and
// with it the deadline by which a request must have arrived.
func (c *conn) SetDeadline(t time.Time) error {
	if c.taken.Load() {
		return nil
	}
	return c.Conn.SetDeadline(t)
}

// owned is the connection for its TLS, whose deadlines always count.
type owned struct{ *conn }

// SetDeadline hides that of conn.
func (o owned) SetDeadline(t time.Time) error { return o.Conn.SetDeadline(t) }

// SetLinger is that of the TCP connection: mtls.Conn.Close resets with it.
func (c *conn) SetLinger(sec int) error {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		return t.SetLinger(sec)
	}
	return nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}
