package export

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pipeBuf is what a pipe takes in one piece once it is writable (pipe(7)).
const pipeBuf = 4096

// Output writes to an open file, standard output for instance. Whoever reads it
// may stop: a write is only begun when it cannot block, so that shutdown can.
type Output struct {
	f    *os.File
	rest []byte // of a batch that was written in part
	of   string // which batch that is
}

// NewOutput returns a sink that writes to f and does not close it.
func NewOutput(f *os.File) *Output { return &Output{f: f} }

// Deliver implements Sink.
func (s *Output) Deliver(ctx context.Context, b Batch) error {
	if is := fmt.Sprint(b.Stream, b.First); s.rest == nil || s.of != is {
		s.rest, s.of = b.lines(), is
	}
	for len(s.rest) > 0 {
		if err := s.writable(ctx); err != nil {
			return err
		}
		n, err := s.f.Write(s.rest[:min(len(s.rest), pipeBuf)])
		s.rest = s.rest[n:]
		if err != nil {
			return err
		}
	}
	s.rest = nil
	return nil
}

// writable waits until a write would not block.
func (s *Output) writable(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		fds := []unix.PollFd{{Fd: int32(s.f.Fd()), Events: unix.POLLOUT}} //nolint:gosec // a descriptor
		n, err := unix.Poll(fds, int(100*time.Millisecond/time.Millisecond))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if err == nil && n > 0 {
			return nil // writable, or closed at the other end, which the write will say
		}
	}
}

// Close implements Sink.
func (s *Output) Close() error { return nil }
