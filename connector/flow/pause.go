package flow

import (
	"context"
	"sync"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// pauses are those before refusals, of each tunneler so many at once. Whoever gives up leaves
// nothing behind.
type pauses struct {
	mu sync.Mutex
	of map[spiffeid.ID]*pause
}

type pause struct {
	places chan struct{}
	inside int // that have a place, or wait for one
}

// wait takes a place for refusalPause, or until ctx ends.
func (p *pauses) wait(ctx context.Context, id spiffeid.ID) {
	mine := p.enter(id)
	defer p.leave(id, mine)
	select {
	case mine.places <- struct{}{}:
		sleep(ctx, refusalPause)
		<-mine.places
	case <-ctx.Done():
	}
}

func (p *pauses) enter(id spiffeid.ID) *pause {
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := p.of[id]
	if mine == nil {
		mine = &pause{places: make(chan struct{}, mostPaused)}
		p.of[id] = mine
	}
	mine.inside++
	return mine
}

func (p *pauses) leave(id spiffeid.ID, mine *pause) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if mine.inside--; mine.inside == 0 {
		delete(p.of, id)
	}
}

// sleep ends early with ctx.
func sleep(ctx context.Context, d time.Duration) {
	due := time.NewTimer(d)
	defer due.Stop()
	select {
	case <-due.C:
	case <-ctx.Done():
	}
}
