package fleet

import (
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// The pause before a key that failed is tried again: doubled from the first to the
// longest, with a jitter of a quarter.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = 8 * time.Second
	pauseJitter  = 0.25
)

// workQueue hands out keys to workers. A key is in it once however often it was added,
// and with one worker at a time: what is added while it is worked on is handed out
// again after that. (The rules are those of the workqueue of k8s.io/client-go, which
// would bring all its modules.)
type workQueue[K comparable] struct {
	mu     sync.Mutex
	more   sync.Cond
	closed bool
	// urgent goes before ready. A key may be in both; the one that comes second is
	// skipped, because it is not waiting any more.
	urgent, ready []K
	waiting       map[K]struct{}
	working       map[K]again
	later         map[K]*time.Timer
	pauses        map[K]*backoff.ExponentialBackOff // of keys that failed
}

// again says how a key was added while it was worked on.
type again int

const (
	notAgain again = iota
	inTurn
	urgently
)

func newWorkQueue[K comparable]() *workQueue[K] {
	q := &workQueue[K]{
		waiting: map[K]struct{}{}, working: map[K]again{}, later: map[K]*time.Timer{}, pauses: map[K]*backoff.ExponentialBackOff{},
	}
	q.more.L = &q.mu
	return q
}

// add has a key worked on; an urgent one before the others.
func (q *workQueue[K]) add(key K, urgent bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	how := inTurn
	if urgent {
		how = urgently
	}
	if was, busy := q.working[key]; busy {
		q.working[key] = max(was, how)
		return
	}
	q.enqueue(key, how)
}

// enqueue needs q.mu.
func (q *workQueue[K]) enqueue(key K, how again) {
	_, there := q.waiting[key]
	q.waiting[key] = struct{}{}
	switch {
	case how == urgently:
		q.urgent = append(q.urgent, key)
	case !there:
		q.ready = append(q.ready, key)
	}
	q.more.Signal()
}

// addAfter has a key worked on after a while; the last word on one key counts.
func (q *workQueue[K]) addAfter(key K, d time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.schedule(key, d)
}

// schedule needs q.mu.
func (q *workQueue[K]) schedule(key K, d time.Duration) {
	if q.closed {
		return
	}
	if t := q.later[key]; t != nil {
		t.Stop()
	}
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		q.mu.Lock()
		if q.later[key] == t {
			delete(q.later, key)
		}
		q.mu.Unlock()
		q.add(key, false)
	})
	q.later[key] = t
}

// retry has a key worked on again after a pause that grows with each failure.
func (q *workQueue[K]) retry(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.pauses[key]
	if p == nil {
		p = backoff.NewExponentialBackOff()
		p.InitialInterval, p.MaxInterval, p.Multiplier, p.RandomizationFactor = firstPause, longestPause, 2, pauseJitter
		p.Reset()
		q.pauses[key] = p
	}
	q.schedule(key, p.NextBackOff())
}

// succeeded forgets the failures of a key.
func (q *workQueue[K]) succeeded(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.pauses, key)
}

// take waits for a key; it is the caller's until done. False is the end.
func (q *workQueue[K]) take() (key K, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed {
		for _, lane := range []*[]K{&q.urgent, &q.ready} {
			for len(*lane) > 0 {
				key = (*lane)[0]
				*lane = (*lane)[1:]
				if _, waits := q.waiting[key]; waits {
					delete(q.waiting, key)
					q.working[key] = notAgain
					return key, true
				}
			}
		}
		q.more.Wait()
	}
	return key, false
}

// done gives a key back.
func (q *workQueue[K]) done(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	how := q.working[key]
	delete(q.working, key)
	if how != notAgain && !q.closed {
		q.enqueue(key, how)
	}
}

// idle says that no key waits or is worked on; those of later do not count.
func (q *workQueue[K]) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) == 0 && len(q.working) == 0
}

// close ends take, for all.
func (q *workQueue[K]) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, t := range q.later {
		t.Stop()
	}
	clear(q.later)
	q.more.Broadcast()
}
