package topic

import (
	"sync"
	"sync/atomic"
)

// Topic holds a value and wakes its subscribers when it is set.
type Topic[T any] struct {
	value atomic.Pointer[T] // read without the lock: thousands read it while the last of them are woken

	mu          sync.Mutex
	subscribers map[*subscription]struct{}
}

type subscription struct{ hint Hint }

// Get returns the value that was set last.
func (t *Topic[T]) Get() (value T) {
	if last := t.value.Load(); last != nil {
		return *last
	}
	return value
}

// Set replaces the value and wakes all subscribers.
func (t *Topic[T]) Set(value T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.value.Store(&value)
	t.wake()
}

// Wake wakes all subscribers though the value is the same.
func (t *Topic[T]) Wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wake()
}

// wake needs t.mu.
func (t *Topic[T]) wake() {
	for s := range t.subscribers {
		s.hint.Wake()
	}
}

// Subscribe returns a channel that gets a value after each Set and Wake, and a
// function that ends the subscription. What was set before wakes nobody.
func (t *Topic[T]) Subscribe() (woken <-chan struct{}, unsubscribe func()) {
	h := NewHint()
	return h, t.Notify(h)
}

// Notify is Subscribe with a Hint of the caller's, which may be of several topics: to wait
// on one channel costs a fraction of waiting on three.
func (t *Topic[T]) Notify(h Hint) (stop func()) {
	s := &subscription{h}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.subscribers == nil {
		t.subscribers = map[*subscription]struct{}{}
	}
	t.subscribers[s] = struct{}{}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.subscribers, s)
	}
}
