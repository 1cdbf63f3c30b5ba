package presence

import (
	"context"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// sweepEvery bounds how late Watch notices that a member fell silent: nothing
// happens at the moment when OfflineAfter has passed.
const sweepEvery = 250 * time.Millisecond

// Activity counts what the roster has noted since the program started.
type Activity struct {
	Heartbeats uint64 // of connectors, and reports of tunnelers
	// Rotations are changes of the SVID that an ONLINE member uses.
	Rotations uint64
}

// Activity returns the counts.
func (r *Roster) Activity() Activity {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.activity
}

// Watch calls report whenever a member went ONLINE or OFFLINE, until ctx ends. Who
// went and came back between two looks did not flip. It may be called once.
func (r *Roster) Watch(ctx context.Context, report func(w identity.Workload, s Status)) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-r.moved:
		case <-t.C: // some may have fallen silent
		case <-ctx.Done():
			return nil
		}
		for w, s := range r.flips() {
			report(w, s)
		}
	}
}

// flips compares what is with what was reported.
func (r *Roster) flips() map[identity.Workload]Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire() // touches who fell silent
	out := map[identity.Workload]Status{}
	look := func(w identity.Workload) {
		switch now := r.status(w); {
		case now == Online && !r.online[w]:
			r.online[w] = true
			out[w] = now
		case now == Offline && r.online[w]:
			delete(r.online, w)
			out[w] = now
		}
	}
	for w := range r.touched {
		look(w)
	}
	clear(r.touched)
	return out
}

// status needs r.mu.
func (r *Roster) status(w identity.Workload) Status {
	if w.Kind == identity.KindConnector {
		return r.presence(r.connectors[w.ID], time.Time{}).Status
	}
	if s := r.settled(w.ID); s != nil {
		return s.presence().Status
	}
	return Offline
}

// kick has Watch look at a member, unless it is known to be so. It needs r.mu.
func (r *Roster) kick(w identity.Workload, s Status) {
	if r.online[w] == (s == Online) {
		return
	}
	r.touched[w] = struct{}{}
	r.moved.Wake()
}
