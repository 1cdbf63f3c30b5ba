package mtls

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// ErrTooMany refuses a connection of a peer that has enough of them.
var ErrTooMany = errors.New("too many connections")

// Conns knows the open connections of a listener by the SPIFFE ID of their peer.
// A connection leaves when it closes, however it does.
type Conns struct {
	perPeer int

	mu     sync.Mutex
	byPeer map[spiffeid.ID]map[*Conn]struct{}
	total  int
}

// NewConns bounds how many connections one peer may have; a peer is one that was
// authenticated, so the number of peers is bounded by the number enrolled.
func NewConns(perPeer int) *Conns {
	return &Conns{perPeer: perPeer, byPeer: map[spiffeid.ID]map[*Conn]struct{}{}}
}

// Add takes a new connection; it is an Opened.
func (cs *Conns) Add(c *Conn) error {
	cs.mu.Lock()
	mine := cs.byPeer[c.peer]
	if len(mine) >= cs.perPeer {
		cs.mu.Unlock()
		return fmt.Errorf("%w of %s: %d are open", ErrTooMany, c.peer, len(mine))
	}
	if mine == nil {
		mine = map[*Conn]struct{}{}
		cs.byPeer[c.peer] = mine
	}
	mine[c] = struct{}{}
	cs.total++
	cs.mu.Unlock()
	c.OnClose(func(error) { cs.remove(c) })
	return nil
}

func (cs *Conns) remove(c *Conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	mine := cs.byPeer[c.peer]
	if _, ok := mine[c]; !ok {
		return
	}
	delete(mine, c)
	cs.total--
	if len(mine) == 0 {
		delete(cs.byPeer, c.peer)
	}
}

// Len counts the open connections.
func (cs *Conns) Len() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.total
}

// Of lists the open connections of one peer.
func (cs *Conns) Of(id spiffeid.ID) []*Conn {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	mine := cs.byPeer[id]
	if len(mine) == 0 {
		return nil
	}
	out := make([]*Conn, 0, len(mine))
	for c := range mine {
		out = append(out, c)
	}
	return out
}

// CloseMatching cuts every connection for which judge has a reason, and counts
// them. They get delay to end by themselves: a status that a handler has just
// sent reaches a peer that reads, and one that does not is cut all the same.
func (cs *Conns) CloseMatching(delay time.Duration, judge func(*Conn) error) (cut int) {
	cs.mu.Lock()
	all := make([]*Conn, 0, cs.total)
	for _, mine := range cs.byPeer {
		for c := range mine {
			all = append(all, c)
		}
	}
	cs.mu.Unlock()
	return closeMatching(all, delay, judge)
}

// CloseMatchingOf is CloseMatching of the connections of these peers only.
func (cs *Conns) CloseMatchingOf(peers []spiffeid.ID, delay time.Duration, judge func(*Conn) error) (cut int) {
	for _, id := range peers {
		cut += closeMatching(cs.Of(id), delay, judge)
	}
	return cut
}

func closeMatching(all []*Conn, delay time.Duration, judge func(*Conn) error) (cut int) {
	for _, c := range all {
		if reason := judge(c); reason != nil {
			c.CloseAfter(delay, reason)
			cut++
		}
	}
	return cut
}

// Newcomers judges each connection once more, after it was added: who looks only at the
// peers that a change is about must not miss one that was on its way when the change
// came. One for which judge has a reason gets delay to receive it, and is cut if judge
// has one then too.
func Newcomers(delay time.Duration, judge func(*Conn) error) Opened {
	return func(c *Conn) error {
		if judge(c) == nil {
			return nil
		}
		again := time.AfterFunc(delay, func() {
			if reason := judge(c); reason != nil {
				c.Close(reason)
			}
		})
		c.OnClose(func(error) { again.Stop() })
		return nil
	}
}
