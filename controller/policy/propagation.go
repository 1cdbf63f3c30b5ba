package policy

import (
	"context"
	"sync"
	"time"
)

// giveUp is how long a revocation is waited for at a connector that is connected.
const giveUp = time.Minute

// Propagation measures how long a revocation takes to reach the connectors: from
// the moment it has in the store until a connector says that it applied a policy
// of that revision, with the sessions of the revoked ended. It decides nothing.
//
// A connector that had no stream when the policy went out is not waited for: it
// learns on its return, before it admits anybody. One that is connected and reports
// nothing for a minute counts with that minute.
type Propagation struct {
	now     func() time.Time
	observe func(time.Duration)

	mu      sync.Mutex
	streams map[string]applied // the control stream of each connector
	seen    uint64             // the newest revision that was looked at
	waiting []pending
}

// applied is what a connector has said on its control stream, whose numbers grow.
type applied struct {
	stream   uint64
	revision uint64
	at       time.Time
}

// pending is a policy that revoked somebody, on its way.
type pending struct {
	revision uint64
	revoked  []time.Time
	behind   map[string]struct{} // connectors
}

// NewPropagation has observe called with the time that each revocation took at each
// connector. observe must not call back.
func NewPropagation(now func() time.Time, observe func(time.Duration)) *Propagation {
	return &Propagation{now: now, observe: observe, streams: map[string]applied{}}
}

// Run looks at each policy that is published until ctx ends.
func (p *Propagation) Run(ctx context.Context, policies interface {
	Current() *Snapshot
	Subscribe() (<-chan struct{}, func())
},
) error {
	changed, unsubscribe := policies.Subscribe()
	defer unsubscribe()
	for {
		p.Look(policies.Current())
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// Look notes the revocations that came with a policy and those that were skipped. It may
// come after connectors have applied the policy.
func (p *Propagation) Look(s *Snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reap()
	for i := 0; i < len(s.Revoked); {
		revision := s.Revoked[i].Revision
		var revoked []time.Time
		for ; i < len(s.Revoked) && s.Revoked[i].Revision == revision; i++ {
			revoked = append(revoked, s.Revoked[i].At)
		}
		if revision > p.seen {
			p.follow(pending{revision: revision, revoked: revoked, behind: map[string]struct{}{}})
		}
	}
	p.seen = max(p.seen, s.Revision)
}

// follow waits for the connectors that have not applied a policy yet. It needs p.mu.
func (p *Propagation) follow(s pending) {
	for id, has := range p.streams {
		if has.revision >= s.revision {
			s.took(has.at, p.observe)
		} else {
			s.behind[id] = struct{}{}
		}
	}
	if len(s.behind) > 0 {
		p.waiting = append(p.waiting, s)
	}
}

// Up notes the control stream of a connector; numbers grow.
func (p *Propagation) Up(connector string, stream uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[connector] = applied{stream: stream}
}

// Down notes the end of a control stream. The late end of one that was replaced
// changes nothing.
func (p *Propagation) Down(connector string, stream uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streams[connector].stream != stream {
		return
	}
	delete(p.streams, connector)
	for _, s := range p.waiting {
		delete(s.behind, connector)
	}
	p.reap()
}

// Applied notes which revision a connector says it has applied.
func (p *Propagation) Applied(connector string, stream, revision uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	has, ok := p.streams[connector]
	if !ok || has.stream != stream {
		return
	}
	if revision > has.revision {
		p.streams[connector] = applied{stream, revision, p.now()}
	}
	for _, s := range p.waiting {
		if _, ok := s.behind[connector]; ok && revision >= s.revision {
			s.took(p.now(), p.observe)
			delete(s.behind, connector)
		}
	}
	p.reap()
}

// reap forgets what has arrived everywhere, and counts and forgets what takes too
// long: a connector that never answers must not make the list grow. It needs p.mu.
func (p *Propagation) reap() {
	now, kept := p.now(), p.waiting[:0]
	for _, s := range p.waiting {
		if now.Sub(s.revoked[0]) >= giveUp {
			for range s.behind {
				s.took(now, p.observe)
			}
			clear(s.behind)
		}
		if len(s.behind) > 0 {
			kept = append(kept, s)
		}
	}
	clear(p.waiting[len(kept):])
	p.waiting = kept
}

func (s pending) took(now time.Time, observe func(time.Duration)) {
	for _, at := range s.revoked {
		observe(max(now.Sub(at), 0))
	}
}
