package policy

import (
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
// learns on its return, before it admits anybody. One that is connected and says
// nothing for a minute counts with that minute.
type Propagation struct {
	now     func() time.Time
	observe func(time.Duration)

	mu      sync.Mutex
	streams map[string]uint64 // the control stream of each connector
	waiting []spreading
}

// spreading is a policy that revoked somebody, on its way.
type spreading struct {
	revision uint64
	revoked  []time.Time
	behind   map[string]struct{} // connectors
}

// NewPropagation has observe told the time that each revocation took at each
// connector. observe must not call back.
func NewPropagation(now func() time.Time, observe func(time.Duration)) *Propagation {
	return &Propagation{now: now, observe: observe, streams: map[string]uint64{}}
}

// Published notes that a policy goes out which no longer names who was revoked at
// these times.
func (p *Propagation) Published(revision uint64, revoked []time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reap()
	if len(revoked) == 0 || len(p.streams) == 0 {
		return
	}
	s := spreading{revision: revision, revoked: revoked, behind: make(map[string]struct{}, len(p.streams))}
	for id := range p.streams {
		s.behind[id] = struct{}{}
	}
	p.waiting = append(p.waiting, s)
}

// Up notes the control stream of a connector; numbers grow.
func (p *Propagation) Up(connector string, stream uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.streams[connector] = stream
}

// Down notes the end of a control stream. The late end of one that was replaced
// changes nothing.
func (p *Propagation) Down(connector string, stream uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.streams[connector] != stream {
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
	if p.streams[connector] != stream {
		return
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

func (s spreading) took(now time.Time, observe func(time.Duration)) {
	for _, at := range s.revoked {
		observe(max(now.Sub(at), 0))
	}
}
