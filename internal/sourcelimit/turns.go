package sourcelimit

import (
	"net/netip"
	"sync"
)

// turns bound how many handshakes of a listener compute at once. The addresses that
// wait take turns: one with a thousand handshakes holds another back by one of them.
// Nor does the goroutine that accepts connections queue for a core behind all of them,
// while the kernel's queue overflows and whoever connects then waits a second for its
// next try.
type turns struct {
	mu      sync.Mutex
	free    int
	waiting map[netip.Prefix][]chan struct{}
	order   []netip.Prefix // the addresses that wait, the next one first
}

func newTurns(n int) *turns {
	return &turns{free: n, waiting: map[netip.Prefix][]chan struct{}{}}
}

// take waits for a turn of the address. It ends, for no holder of a turn waits.
func (t *turns) take(from netip.Prefix) {
	t.mu.Lock()
	if t.free > 0 { // then nobody waits
		t.free--
		t.mu.Unlock()
		return
	}
	mine := make(chan struct{})
	if len(t.waiting[from]) == 0 {
		t.order = append(t.order, from)
	}
	t.waiting[from] = append(t.waiting[from], mine)
	t.mu.Unlock()
	<-mine
}

// give hands the turn to the oldest of the next address.
func (t *turns) give() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.order) == 0 {
		t.free++
		return
	}
	from := t.order[0]
	queue := t.waiting[from]
	close(queue[0])
	if t.order = t.order[1:]; len(queue) == 1 {
		delete(t.waiting, from)
		return
	}
	t.waiting[from] = queue[1:]
	t.order = append(t.order, from)
}

// BeginHandshake waits for a turn of the peer's address. Until EndHandshake, by the same
// goroutine, the connection gives its turn up whenever it waits for its peer, so that a
// peer that stalls holds up nobody.
func (c *Conn) BeginHandshake() {
	c.of.turns.take(c.source)
	c.shaking.Store(true)
}

// EndHandshake gives the turn up for good; calling it again does nothing.
func (c *Conn) EndHandshake() {
	if c.shaking.CompareAndSwap(true, false) {
		c.of.turns.give()
	}
}

// pause gives the turn of a handshake up until resume is called.
func (c *Conn) pause() (resume func()) {
	if !c.shaking.Load() {
		return func() {}
	}
	c.of.turns.give()
	return func() { c.of.turns.take(c.source) }
}
