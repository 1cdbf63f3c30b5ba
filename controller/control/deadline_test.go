package control_test

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// lateListener accepts connections on which gRPC comes last: it clears the deadline
// of the handshake when the web server has set the one of the request.
type lateListener struct{ net.Listener }

func (l lateListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lateConn{Conn: c, requested: make(chan struct{})}, nil
}

type lateConn struct {
	net.Conn

	mu        sync.Mutex
	cleared   int
	once      sync.Once
	requested chan struct{} // closed by the first deadline of a request
}

func (c *lateConn) SetReadDeadline(t time.Time) error {
	defer c.once.Do(func() { close(c.requested) })
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline clears at once for the split, which comes first.
func (c *lateConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	if t.IsZero() {
		c.cleared++
	}
	late := t.IsZero() && c.cleared > 1
	c.mu.Unlock()
	if late {
		select {
		case <-c.requested:
		case <-time.After(patience):
		}
	}
	return c.Conn.SetDeadline(t)
}

// TestGRPCHasNoSayOverWhatItHandedOn: without the deadline that it would clear, who
// says nothing would stay for ever.
func TestGRPCHasNoSayOverWhatItHandedOn(t *testing.T) {
	t.Parallel()
	inMemory(t, func(l net.Listener) net.Listener { return lateListener{l} }, func(t *testing.T, w *world) {
		conn := w.dialWeb(t, "http/1.1")
		start := time.Now()
		require.NoError(t, conn.SetDeadline(start.Add(time.Hour)))
		_, err := conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "the server cuts it after 10 s")
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}
