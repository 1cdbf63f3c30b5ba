package fleet

import "time"

// WorkQueue is the queue of the reconciler.
type WorkQueue = workQueue[string]

// NewWorkQueue returns an empty one.
func NewWorkQueue() *WorkQueue { return newWorkQueue[string]() }

// Add is add.
func (q *workQueue[K]) Add(key K, urgent bool) { q.add(key, urgent) }

// Take is take.
func (q *workQueue[K]) Take() (K, bool) { return q.take() }

// Done is done.
func (q *workQueue[K]) Done(key K) { q.done(key) }

// Retry is retry.
func (q *workQueue[K]) Retry(key K) { q.retry(key) }

// Succeeded is succeeded.
func (q *workQueue[K]) Succeeded(key K) { q.succeeded(key) }

// Idle is idle.
func (q *workQueue[K]) Idle() bool { return q.idle() }

// Close is close.
func (q *workQueue[K]) Close() { q.close() }

// KeptOfClones is how many members and streams the search for clones has in memory.
func (f *Fleet) KeptOfClones() int {
	f.clones.mu.Lock()
	defer f.clones.mu.Unlock()
	return len(f.clones.members) + len(f.clones.asked)
}

// TracedAgents is how many agents are looked at for clones.
func (f *Fleet) TracedAgents() int {
	f.clones.mu.Lock()
	defer f.clones.mu.Unlock()
	return len(f.clones.agents)
}

// PagesALook is pagesALook.
func PagesALook(pages int, life time.Duration) int { return pagesALook(pages, life) }
