package flow

import (
	"io"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// batchSize holds a whole frame, or as many TLS records as make one.
	batchSize = MaxFrame + 1024
	// smallSize holds one record: what a flow gets that is over its budget.
	smallSize = 17 << 10
	// lookAhead is below how many bytes the end is looked for at once: a record of TLS.
	lookAhead = 16 << 10
)

// Budget bounds how many large buffers are in use at once, of an owner and of all together:
// a peer that makes many writes stall holds a small buffer for each. It is safe for
// concurrent use; nil is no bound.
type Budget struct {
	of   *Budget
	left atomic.Int64
}

// NewBudget bounds an owner; of bounds all of them, nil is no bound.
func NewBudget(large int, of *Budget) *Budget {
	b := &Budget{of: of}
	b.left.Store(int64(large))
	return b
}

func (b *Budget) take() bool {
	if b == nil {
		return true
	}
	if b.left.Add(-1) >= 0 && b.of.take() {
		return true
	}
	b.left.Add(1)
	return false
}

func (b *Budget) give() {
	for ; b != nil; b = b.of {
		b.left.Add(1)
	}
}

// buffer is for a moment: whoever waits holds none.
type buffer struct {
	b    []byte
	from *Budget
	kept bool // by a reader of its own
}

// buffers are what the garbage collector would otherwise make and take.
type buffers struct{ large, small sync.Pool }

func (p *buffers) get(from *Budget) *buffer {
	kind, size := &p.large, batchSize
	if !from.take() {
		kind, size, from = &p.small, smallSize, nil
	}
	b, ok := kind.Get().(*buffer)
	if !ok {
		b = &buffer{b: make([]byte, size)}
	}
	b.from = from
	return b
}

func (p *buffers) put(b *buffer) {
	if b == nil || b.kept {
		return
	}
	b.from.give()
	b.from = nil
	if len(b.b) == batchSize {
		p.large.Put(b)
	} else {
		p.small.Put(b)
	}
}

// lazyRead waits until there is something to read, and only then takes a buffer, which it
// fills from off on, with most bytes at most. The end is io.EOF. With ahead it looks once
// whether the end has come already, and may return it, or another error, with the last bytes;
// not after many bytes, which most probably continue.
func (p *buffers) lazyRead(from syscall.RawConn, of *Budget, off, most int, ahead bool) (buf *buffer, n int, err error) {
	waited := from.Read(func(fd uintptr) bool {
		if buf == nil {
			buf = p.get(of)
		}
		room := buf.b[off:min(len(buf.b), off+most)]
		if n, err = readNow(fd, room); err == unix.EAGAIN { //nolint:errorlint // of the kernel
			p.put(buf)
			buf, n, err = nil, 0, nil
			return false
		}
		if ahead && err == nil && n < lookAhead && n < len(room) {
			var m int
			m, err = readNow(fd, room[n:])
			if n += m; err == unix.EAGAIN { //nolint:errorlint // of the kernel
				err = nil
			}
		}
		return true
	})
	if err == nil && n == 0 {
		err = waited
	}
	if n == 0 {
		p.put(buf)
		return nil, 0, err
	}
	return buf, n, err
}

// readNow reads what there is. The end is io.EOF.
func readNow(fd uintptr, into []byte) (int, error) {
	for {
		switch n, err := unix.Read(int(fd), into); {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}
