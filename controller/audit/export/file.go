package export

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
)

// File appends to a file. It is opened anew when it was renamed or removed, and
// after a signal, so that logrotate works with and without a postrotate script.
type File struct {
	path   string
	reopen <-chan os.Signal // may be nil
	f      *os.File
}

// NewFile returns a sink that opens path with its first batch.
func NewFile(path string, reopen <-chan os.Signal) *File { return &File{path: path, reopen: reopen} }

// Deliver implements Sink. The lines are on the disk when it returns.
func (s *File) Deliver(_ context.Context, b Batch) error {
	select {
	case <-s.reopen:
		s.drop()
	default:
	}
	if s.f != nil && s.moved() {
		s.drop()
	}
	if s.f == nil {
		f, err := os.OpenFile(s.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return atomicfile.Explain(s.path, err)
		}
		s.f = f
	}
	before, err := s.f.Stat()
	if err != nil {
		return s.fault(err)
	}
	if _, err := s.f.Write(b.lines()); err != nil {
		// Half a line would be joined with the next one.
		return s.fault(errors.Join(err, s.f.Truncate(before.Size())))
	}
	if err := s.f.Sync(); err != nil && before.Mode().IsRegular() {
		return s.fault(err)
	}
	return nil
}

// moved says whether the path names another file now, or none.
func (s *File) moved() bool {
	named, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	open, ferr := s.f.Stat()
	return err == nil && ferr == nil && !os.SameFile(named, open)
}

func (s *File) fault(err error) error {
	s.drop()
	return atomicfile.Explain(s.path, err)
}

func (s *File) drop() {
	if s.f != nil {
		_ = s.f.Close()
		s.f = nil
	}
}

// Close implements Sink.
func (s *File) Close() error {
	s.drop()
	return nil
}
