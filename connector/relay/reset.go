package relay

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// errOlder is of a controller whose policy is older than the applied one: it was
// restored from a backup, or is another controller.
var errOlder = errors.New("the controller's policy is older than the one in use")

// refuse needs the lock. What is applied stays and ages as if there were no
// controller, until an operator of this host says that the older one is right.
func (p *policy) refuse(revision uint64) {
	first := p.refused == nil
	p.refused = fmt.Errorf("%w (revision %d, in use is %d): if the controller was restored or installed anew on purpose, "+
		"run `grpccontroller recovery start` there or `grpcconnector witness reset --yes` on this host as root", errOlder, revision, p.snap.Revision)
	if first {
		p.cfg.Log.Error("older policy refused", zap.Uint64("revision", revision), zap.Uint64("applied_revision", p.snap.Revision), zap.Error(p.refused))
	}
	if p.linked {
		p.linked = false
		p.confirm()
	}
	p.kick()
}

// noticeReset forgets the policy when an operator took its file away, and takes the
// one that the controller has sent meanwhile. It runs in the keeper only: a file that
// was taken away is not written again, also not by a program that is about to end.
func (p *policy) noticeReset() bool {
	if !p.gone() {
		return false
	}
	p.cfg.Log.Warn("kept policy was reset by an operator", zap.String("file", p.path))
	p.onDisk = false
	p.mu.Lock()
	p.snap, p.confirmed = snapshot{}, time.Time{}
	p.set.Clear()
	p.rules.Clear()
	p.linked, p.dirty, p.refused, p.astray = false, false, nil, nil
	p.mu.Unlock()
	p.cfg.Reset()
	p.cfg.Retake()
	return true
}

// gone says, to the keeper only, that an operator took the file away.
func (p *policy) gone() bool {
	if !p.onDisk {
		return false
	}
	_, err := os.Lstat(p.path)
	return errors.Is(err, fs.ErrNotExist)
}

// DropPolicy removes the policy that a connector keeps in its state directory. A
// connector that runs notices that within 10 s while it refuses its controller's
// policy, and with the next write otherwise. Denials stay.
func DropPolicy(stateDir string) (dropped bool, err error) {
	err = atomicfile.Locked(stateDir, func() error { return os.Remove(filepath.Join(stateDir, policyFile)) })
	if absent(err) {
		return false, nil
	}
	return err == nil, err
}

// retake asks the controller for its whole policy, after what made us refuse it is over.
func (r *Relay) retake() {
	r.ask()
	r.sweep()
}

// ask asks the controller for its whole policy, on the stream that is open.
func (r *Relay) ask() {
	r.resync.Wake()
}

// streamEnded lets the policy age, until the next stream. What was witnessed is written:
// the next controller may be one of an older database.
func (r *Relay) streamEnded() {
	r.witness.flush()
	r.applying.Lock()
	defer r.applying.Unlock()
	r.policy.unlinked()
	r.ruled(r.policy.denyRules())
}

// Refusal is why this connector refuses what its controller sends; nil if it takes it.
func (r *Relay) Refusal() error {
	return cmp.Or(r.timeline.Stopped(), r.refusal(), r.witness.ready())
}

// refusal is why the policy of the controller is not applied; nil if it is. That its log
// was shown and is refused says more than that none was accepted on this connection.
func (r *Relay) refusal() error {
	why := r.policy.refusal()
	if errors.Is(why, errUnshown) {
		return cmp.Or(r.witness.ready(), why)
	}
	return why
}

// refusalText is Refusal for the heartbeat.
func (r *Relay) refusalText() string {
	if err := r.Refusal(); err != nil {
		return wire.Clip(err.Error(), wire.MaxReason)
	}
	return ""
}

// report has a heartbeat sent now: the controller wants to know what we applied, or why
// we did not.
func (r *Relay) report() {
	r.applied.Wake()
}
