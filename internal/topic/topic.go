package topic

import "sync"

// Topic holds a value and wakes its subscribers when it is set.
type Topic[T any] struct {
	mu          sync.Mutex
	value       T
	subscribers map[chan struct{}]struct{}
}

// Get returns the value that was set last.
func (t *Topic[T]) Get() T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.value
}

// Set replaces the value and wakes all subscribers.
func (t *Topic[T]) Set(value T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.value = value
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
	for c := range t.subscribers {
		select {
		case c <- struct{}{}:
		default: // has one to take
		}
	}
}

// Subscribe returns a channel that gets a value after each Set and Wake, and a
// function that ends the subscription. What was set before wakes nobody.
func (t *Topic[T]) Subscribe() (woken <-chan struct{}, unsubscribe func()) {
	c := make(chan struct{}, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.subscribers == nil {
		t.subscribers = map[chan struct{}]struct{}{}
	}
	t.subscribers[c] = struct{}{}
	return c, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.subscribers, c)
	}
}
