package flow

import (
	"io"
	"net"
	"sync"
)

// smallReply is how much of what came with the result is written at once: the kernel takes it of a
// connection to which nothing was written yet.
const smallReply = 16 << 10

// reply passes on a small answer that came with the result of the open, and says whether it was
// all. Of a short flow that spares a goroutine, and the thread that Go wakes for one.
func (c *Conn) reply(w io.Writer) (total int64, all bool, err error) {
	c.reading.Lock()
	defer c.doneReading()
	for c.readable() == nil && c.link.left == 0 && c.link.here() {
		h, _, err := c.link.receive()
		switch {
		case err != nil:
			return total, false, c.failed(err)
		case h.Type == TypeFin:
			_ = c.finished()
			return total, true, nil
		}
		for c.link.left > 0 && total+int64(c.link.left) <= smallReply {
			n, err := c.link.pass(w)
			if total += int64(n); err != nil {
				return total, false, c.failed(err)
			}
		}
	}
	return total, false, nil
}

// Splice carries both directions between a flow and a connection, with half-close, until
// both have ended or one failed, and closes both. It returns how many bytes went up (to the
// target) and down, and why a direction failed.
func Splice(c *Conn, local net.Conn) (up, down int64, err error) {
	var first sync.Once
	fail := func(because error) {
		if because != nil {
			first.Do(func() {
				err = because
				c.Abort()
				resetConn(local)
			})
		}
	}
	falling := make(chan struct{})
	down, all, end := c.reply(local)
	if all {
		end = closeWrite(local)
	}
	fail(end)
	if all || end != nil {
		close(falling)
	} else {
		go func() { // joined by falling
			defer close(falling)
			n, err := c.WriteTo(local)
			if down += n; err == nil {
				err = closeWrite(local)
			}
			fail(err)
		}()
	}
	// Here, because mostly the client has said something by now.
	up, end = c.rise(local)
	fail(end)
	<-falling
	if err == nil {
		_ = local.Close()
	}
	_ = c.Close()
	return up, down, err
}
