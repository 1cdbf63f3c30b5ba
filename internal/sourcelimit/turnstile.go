package sourcelimit

import (
	"net/netip"
	"sync"
)

// Turnstile counts who is inside, by address and in all.
type Turnstile struct {
	most, mostFrom int

	mu     sync.Mutex
	all    int
	byAddr map[netip.Prefix]int
}

// NewTurnstile admits most at once, and mostFrom of one address.
func NewTurnstile(most, mostFrom int) *Turnstile {
	return &Turnstile{most: most, mostFrom: mostFrom, byAddr: map[netip.Prefix]int{}}
}

// Enter says whether there is room. A caller that was admitted calls leave, once.
func (t *Turnstile) Enter(addr netip.Addr) (leave func(), ok bool) {
	b := Bucket(addr)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all >= t.most || t.byAddr[b] >= t.mostFrom {
		return nil, false
	}
	t.all++
	t.byAddr[b]++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.all--
		if t.byAddr[b]--; t.byAddr[b] == 0 {
			delete(t.byAddr, b)
		}
	}, true
}
