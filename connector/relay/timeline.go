package relay

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// errBegun ends a control stream: the next hello names the new timeline to the controller
// what this connector has of its audit log.
var errBegun = errors.New("another timeline of the controller begins: connecting anew")

// errStopped refuses new sessions.
var errStopped = errors.New("the connector is stopped: its operator has to decide between two controllers")

// follow takes what the controller says of its timeline. An error ends the stream.
//
// The log of the new timeline begins where the statement says, and what was witnessed of
// the old one is set aside. That is written before the timeline is: a crash in between
// repeats it.
func (r *Relay) follow(m *zerotrustv1.Timeline) error {
	r.applying.Lock()
	defer r.applying.Unlock()
	var begun error
	stopped := r.timeline.Stopped() != nil
	r.timeline.Take(m, func(_ timeline.Statement, next timeline.Kept) {
		r.witness.continueAt(next.OldVerifierKey, next.OldCheckpoint)
		r.policy.begin()
		begun = errBegun
	})
	if err := r.timeline.Stopped(); err != nil && !stopped {
		r.policy.leave(err)
		r.report()
	}
	return begun
}

// strays notes that the controller of this stream is not in the timeline that is followed.
func (r *Relay) strays(number uint64) bool {
	err := r.timeline.Follows(number)
	if err == nil {
		r.policy.leave(nil)
		return false
	}
	r.policy.leave(err)
	r.report()
	return true
}

// begin has the first full policy of a new timeline taken, whatever its revision. What is
// applied stays until then.
func (p *policy) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set.Forget()
	p.rules.Forget()
	p.astray, p.refused = nil, nil
}

// leave lets the policy age because of the controller's timeline; nil ends that.
func (p *policy) leave(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := p.astray == nil
	p.astray = why
	if why == nil {
		return
	}
	if first {
		p.cfg.Log.Error("policy of another timeline refused", zap.Error(why))
	}
	if p.linked {
		p.linked = false
		p.confirm()
	}
	p.kick()
}

// shown notes that the log was shown, and says whether a policy came before.
func (p *policy) shown() (before bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if before = errors.Is(p.astray, errUnshown); before {
		p.astray = nil
	}
	return before
}

// timeline of the policy that is applied.
func (p *policy) timeline() uint64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.snap.Timeline
}

// continueAt sets aside what was witnessed and continues at the checkpoint that a statement
// names; without one, at whatever comes first.
func (w *auditWitness) continueAt(verifierKey, signed string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.path != "" {
		kept, err := witness.Retire(w.path, w.now())
		switch {
		case err == nil:
			w.cfg.Log.Warn("what was witnessed of the former timeline is set aside", zap.String("file", kept))
		case !errors.Is(err, fs.ErrNotExist):
			w.cfg.Log.Warn("what was witnessed of the former timeline is not set aside", zap.Error(err))
		}
	}
	w.settle()
	if w.grown {
		w.pen.Stop()
		w.grown = false
	}
	w.file, w.kept, w.failure, w.broken, w.onDisk = witness.File{Connector: w.cfg.Self}, witness.Kept{}, nil, false, false
	w.cfg.Observe(nil)
	if signed == "" {
		return
	}
	c, err := witness.Open([]byte(signed), verifierKey)
	if err != nil {
		w.fail(fmt.Errorf("checkpoint of the statement: %w", err)) // timeline verified it
		return
	}
	w.kept = witness.Kept{VerifierKey: verifierKey, Note: signed, Checkpoint: c}
	w.file = witness.File{Connector: w.cfg.Self, VerifierKey: verifierKey, Checkpoint: signed, WitnessedAt: w.now().UTC(), Covered: c.Size}
	w.save()
}

// refusal is why the policy of the controller is not applied; nil if it is.
func (p *policy) refusal() error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return cmp.Or(p.astray, p.refused)
}
