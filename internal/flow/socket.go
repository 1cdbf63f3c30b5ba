package flow

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// Socket is a connection below TLS. It reads into a buffer that it holds only while there
// is something in it, and gathers the records of one write of TLS into one write of the
// kernel.
type Socket struct {
	net.Conn

	raw  syscall.RawConn // nil for what is not the kernel's, such as net.Pipe
	pool *buffers

	budget *Budget

	// Of the reader.
	in   *buffer
	r, w int
	dry  bool // Read takes what is here, and does not ask the kernel

	mu   sync.Mutex // of the writers: TLS itself may write while a frame is gathered
	out  *buffer    // not nil while a frame is gathered
	used int
}

// newSocket makes a Socket of a connection, which a listener may limit.
func newSocket(c net.Conn, pool *buffers) *Socket {
	s := &Socket{Conn: c, pool: pool}
	if limited := sourcelimit.LimitedOf(c); limited != nil {
		c = limited.Conn
	}
	if k, ok := c.(syscall.Conn); ok {
		if raw, err := k.SyscallConn(); err == nil {
			s.raw = raw
		}
	}
	return s
}

// Read implements net.Conn.
func (s *Socket) Read(p []byte) (int, error) {
	if s.dry && s.in == nil {
		return 0, os.ErrDeadlineExceeded // for TLS, which ends with any other error
	}
	if s.raw == nil {
		return s.Conn.Read(p)
	}
	if s.in == nil {
		b, n, err := s.pool.lazyRead(s.raw, s.budget, 0, batchSize, false)
		if err != nil {
			return 0, err
		}
		s.in, s.r, s.w = b, 0, n
	}
	n := copy(p, s.in.b[s.r:s.w])
	if s.r += n; s.r == s.w {
		s.pool.put(s.in)
		s.in = nil
	}
	return n, nil
}

// drained says that the next Read asks the kernel.
func (s *Socket) drained() bool { return s.in == nil }

// release returns the buffer of a connection that nobody reads any more.
func (s *Socket) release() {
	s.pool.put(s.in)
	s.in = nil
}

// Write implements net.Conn.
func (s *Socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil {
		return s.Conn.Write(p)
	}
	if s.used+len(p) > len(s.out.b) {
		if err := s.flush(); err != nil {
			return 0, err
		}
		if len(p) > len(s.out.b) {
			return s.Conn.Write(p)
		}
	}
	s.used += copy(s.out.b[s.used:], p)
	return len(p), nil
}

// flush needs the lock.
func (s *Socket) flush() error {
	n := s.used
	s.used = 0
	_, err := s.Conn.Write(s.out.b[:n])
	return err
}

// gather keeps what is written until send.
func (s *Socket) gather() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out = s.pool.get(s.budget); len(s.out.b) < batchSize {
		s.pool.put(s.out)
		s.out = nil
	}
}

// send writes what was gathered.
func (s *Socket) send() (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil {
		return nil
	}
	if s.used > 0 {
		err = s.flush()
	}
	s.pool.put(s.out)
	s.out = nil
	return err
}

// SetLinger is that of a TCP connection; mtls.Conn cuts with it.
func (s *Socket) SetLinger(sec int) error {
	if t, ok := s.Conn.(interface{ SetLinger(sec int) error }); ok {
		return t.SetLinger(sec)
	}
	return nil
}

// left says that the peer has closed or reset the connection, or has sent something, though
// it has nothing to say now. It does not block.
func (s *Socket) left() (gone bool) {
	if s.raw == nil {
		return false
	}
	err := s.raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = !errors.Is(err, unix.EAGAIN)
	})
	return gone || err != nil
}

// hungUp says that the peer has closed or reset the connection, whatever it has sent before.
func (s *Socket) hungUp() (gone bool) {
	if s.raw == nil {
		return false
	}
	err := s.raw.Control(func(fd uintptr) {
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}} //nolint:gosec // a descriptor is small
		n, err := unix.Poll(set, 0)
		gone = err == nil && n > 0 && set[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return gone || err != nil
}
