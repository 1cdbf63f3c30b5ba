package relay

import (
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// Explanation says how each readiness check is while it is fine.
type Explanation struct{ Control, Policy, Listener, Audit func() string }

func (r *Relay) explainControl() string {
	st := r.control.Status()
	text := fmt.Sprintf("connected to %s since %s", st.Address, st.Since.UTC().Format(time.RFC3339))
	if beat := r.lastHeartbeat(); beat.After(st.Since) {
		text += fmt.Sprintf(", last heartbeat %s ago", health.Span(time.Since(beat).Round(time.Second)))
	}
	return text
}

func (r *Relay) explainListener() string {
	return fmt.Sprintf("accepting tunnelers on %s, sessions: %d", r.cfg.Listener.Addr(), r.sessions.count())
}

// lastHeartbeat is when one was sent to the controller, zero before the first.
func (r *Relay) lastHeartbeat() time.Time {
	if ns := r.beat.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

func (p *policy) explain() string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.linked {
		return fmt.Sprintf("revision %d, confirmed by the controller now; without it usable for %s", p.snap.Revision, health.Span(p.maxAge()))
	}
	return fmt.Sprintf("revision %d, last confirmed by a controller %s ago, usable for another %s", p.snap.Revision,
		health.Span(time.Since(p.confirmed).Round(time.Second)), health.Span(p.remaining().Round(time.Second)))
}

// age returns how old the policy may become, and when that is if no controller
// confirms it from now on.
func (p *policy) age() (limit time.Duration, usableUntil time.Time) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.snap.Revision == 0 {
		return 0, time.Time{}
	}
	return p.maxAge(), time.Now().Add(p.remaining())
}

func (w *auditWitness) explain() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.kept.Checkpoint.Size == 0 {
		return "no record of the audit log was witnessed yet"
	}
	return fmt.Sprintf("%d records witnessed, the last at %s", w.kept.Checkpoint.Size, w.file.WitnessedAt.UTC().Format(time.RFC3339))
}
