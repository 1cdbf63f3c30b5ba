package proc

import (
	"context"
	"fmt"
	"time"
)

// State is what the child is doing.
type State string

// The states of a child.
const (
	StateStopped  State = "stopped"  // Run has not begun or has ended
	StateStarting State = "starting" // it runs and is not ready yet
	StateReady    State = "ready"    // it was ready once since its start
	StateBackoff  State = "backoff"  // it died; the next start waits
	StateStopping State = "stopping" // it got SIGTERM
)

// Status is a snapshot of the child.
type Status struct {
	State    State
	PID      int // 0 when no child lives
	Since    time.Time
	Restarts int    // deaths since Run began; a Restart is none
	LastExit string // how the last child ended; empty before the first end

	wasReady bool // since the last start
}

// Status returns the current snapshot.
func (p *Process) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status
}

// WaitReady blocks until the child is ready, ctx ends or Run has ended. It may be
// called before Run.
func (p *Process) WaitReady(ctx context.Context) error {
	for {
		p.mu.Lock()
		s, changed := p.status, p.changed
		p.mu.Unlock()
		if s.State == StateReady {
			return nil
		}
		select {
		case <-changed:
		case <-p.stopped:
			return ErrStopped
		case <-ctx.Done():
			return fmt.Errorf("%s is %s (last exit: %q): %w", p.cfg.Name, s.State, s.LastExit, ctx.Err())
		}
	}
}

// set changes the status and wakes whoever waits for a change.
func (p *Process) set(change func(*Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.status.State
	change(&p.status)
	if p.status.State != before {
		p.status.Since = time.Now()
		if p.status.State == StateStarting {
			p.status.wasReady = false
		}
	}
	close(p.changed)
	p.changed = make(chan struct{})
}
