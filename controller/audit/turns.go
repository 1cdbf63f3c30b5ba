package audit

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

const (
	// witnessesAtOnce is how many connectors get a new checkpoint at once, and each
	// second at least: a fork or a rollback is shown to that many before anybody can
	// stop it.
	witnessesAtOnce = 5
	// roundWithin is how soon each connector has its turn, however many there are. It
	// is half of what a connector waits for an account of a newer policy (2 minutes; see
	// connector/relay), so that one whose turn has not come has nothing to complain of.
	roundWithin = time.Minute
	// turnsApart is how soon one connector has its next turn: a proof, an answer and a
	// judgement each.
	turnsApart = 2 * time.Second
)

// Turns says which connected connector is offered the newest checkpoint next: the one
// that has waited longest. A new checkpoint goes to witnessesAtOnce of them at once, and
// to all within roundWithin.
type Turns struct {
	heads func() (<-chan struct{}, func()) // wakes when there is a new checkpoint
	now   func() time.Time

	mu    sync.Mutex
	queue list.List // of *turn; who waits longest is first
}

type turn struct {
	c    topic.Hint
	last time.Time
}

// NewTurns returns Turns for the checkpoints of a sequencer.
func NewTurns(seq *Sequencer, now func() time.Time) *Turns {
	return &Turns{heads: seq.Subscribe, now: now}
}

// Join returns a channel that gets a value at each turn, and a function that leaves. The
// caller has had its first checkpoint, so its turn is the last one.
func (t *Turns) Join() (mine <-chan struct{}, leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one := &turn{c: topic.NewHint(), last: t.now()}
	e := t.queue.PushBack(one)
	return one.c, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.queue.Remove(e)
	}
}

// Run gives turns until ctx ends.
func (t *Turns) Run(ctx context.Context) error {
	heads, unsubscribe := t.heads()
	defer unsubscribe()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-heads:
			t.give(witnessesAtOnce)
		case <-second.C:
			t.give(max(witnessesAtOnce, t.perSecond()))
		case <-ctx.Done():
			return nil
		}
	}
}

// perSecond is how many turns a second serve everybody within roundWithin.
func (t *Turns) perSecond() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	seconds := int(roundWithin / time.Second)
	return (t.queue.Len() + seconds - 1) / seconds
}

// give gives a turn to the next n. Where all have had one a moment ago, nobody is next.
func (t *Turns) give(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	for range n {
		e := t.queue.Front()
		if e == nil {
			return
		}
		one := e.Value.(*turn) //nolint:forcetypeassert // nothing else is in it
		if now.Sub(one.last) < turnsApart {
			return
		}
		one.last = now
		t.queue.MoveToBack(e)
		one.c.Wake()
	}
}
