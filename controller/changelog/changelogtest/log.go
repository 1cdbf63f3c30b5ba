package changelogtest

import (
	"context"
	"slices"
	"sort"
	"sync"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

// Log implements changelog.Log. Its zero value is one to which nothing was written.
type Log struct {
	news topic.Topic[struct{}]

	mu       sync.Mutex
	position uint64
	changes  []changelog.Change
	fail     error
	good     int // reads that succeed before fail
}

// Add writes changes and wakes nobody.
func (l *Log) Add(changes ...changelog.Change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range changes {
		l.position++
		c.Seq = l.position
		l.changes = append(l.changes, c)
	}
}

// Wake wakes those that have subscribed.
func (l *Log) Wake() { l.news.Wake() }

// Prune deletes all but the newest changes.
func (l *Log) Prune(keep int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = slices.Clone(l.changes[max(0, len(l.changes)-keep):])
}

// Fail has every read return err; nil ends it.
func (l *Log) Fail(err error) { l.FailAfter(0, err) }

// FailAfter has every read but the next n return err.
func (l *Log) FailAfter(n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.good, l.fail = n, err
}

// read counts a read and returns its error. It needs l.mu.
func (l *Log) read() error {
	if l.good > 0 {
		l.good--
		return nil
	}
	return l.fail
}

// Replace makes it a log to which nothing was written.
func (l *Log) Replace() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.position, l.changes = 0, nil
}

// ChangePosition implements changelog.Log.
func (l *Log) ChangePosition(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.position, l.read()
}

// Changes implements changelog.Log.
func (l *Log) Changes(_ context.Context, after uint64, limit int) ([]changelog.Change, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := sort.Search(len(l.changes), func(i int) bool { return l.changes[i].Seq > after })
	return slices.Clone(l.changes[first:min(len(l.changes), first+limit)]), l.read()
}

// SubscribeChanges implements changelog.Log.
func (l *Log) SubscribeChanges() (<-chan struct{}, func()) { return l.news.Subscribe() }
