package relay

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// errUnshown is of a controller that sends a policy and has not shown the log that was
// witnessed: whoever stole a backup and the keys could, until the bound ends.
var errUnshown = errors.New("the controller has not shown its audit log on this connection yet")

// errSilent is the failure of a controller that changes the policy and shows no
// audit log of it.
var errSilent = errors.New("newer policy arrived without a newer checkpoint of the audit log")

type witnessConfig struct {
	Self     string // SPIFFE ID, for the file
	StateDir string
	Saved    func(file string, err error)
	// Bound is how long a newer policy may be without a newer checkpoint. A controller
	// offers checkpoints to its connectors in turn, to each within a minute.
	Bound time.Duration
	// WriteEvery is how often what was witnessed is written while it only grows.
	WriteEvery time.Duration
	// Observe is called with each judgement; nil is an accepted checkpoint.
	Observe func(error)
	Log     *zap.Logger
}

// auditWitness judges the controller's audit log. Each change of the policy is an
// event of the log, so a controller that hides what it did must either show a log
// that does not extend the one we keep, or none.
//
// While it has failed, newer policy is refused. The next checkpoint that extends
// what was witnessed ends that, and so does an operator who resets the witness.
type auditWitness struct {
	cfg  witnessConfig
	path string
	now  func() time.Time

	mu      sync.Mutex
	file    witness.File
	kept    witness.Kept
	failure error
	broken  bool // the file is there and not usable: only an operator ends that
	// onDisk says that a file of ours is, or was when it was looked at last. Without
	// one, as on a full disk, its absence is not an operator's reset.
	onDisk  bool
	unsaved bool // the last write failed
	// A file that lags is an older witness of the same log. It is written at once where
	// it decides something: the first look, a failure and its end, the end of a stream.
	grown   bool // what is held is newer than the file
	written time.Time
	pen     *time.Timer // writes what has grown
	// due is when a checkpoint that is larger than file.Covered must have come; zero
	// while none is owed.
	due   time.Time
	alarm *time.Timer // at due
	// unshown says that the controller of this stream has not shown the log yet.
	unshown bool
}

// newAuditWitness loads what an earlier run kept. A file that cannot be used is a
// failure, not a first look: forgetting must not be as easy as damaging a file.
func newAuditWitness(cfg witnessConfig) *auditWitness {
	w := &auditWitness{cfg: cfg, now: time.Now, file: witness.File{Connector: cfg.Self}}
	if cfg.Observe == nil {
		w.cfg.Observe = func(error) {}
	}
	if cfg.StateDir == "" {
		return w
	}
	w.path = filepath.Join(cfg.StateDir, witness.FileName)
	err := w.load()
	w.onDisk = !absent(err)
	if err != nil && w.onDisk {
		w.broken = true
		w.fail(fmt.Errorf("witness file not usable: %w: see grpcconnector witness reset", err))
	}
	return w
}

// judge takes a checkpoint and says what to answer, and whether this ended a
// failure.
func (w *auditWitness) judge(in *zerotrustv1.AuditCheckpoint) (answer *zerotrustv1.AuditWitness, recovered bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	failed := w.failure != nil
	w.noticeReset()
	if w.broken {
		return w.answer(), false
	}
	offer := witness.Offer{VerifierKey: in.GetVerifierKey(), Note: in.GetNote(), Proof: in.GetProof(), From: sizeOf(in.GetFromSize())}
	next, err := w.kept.Judge(offer)
	switch {
	case err != nil:
		w.refuse(offer, err)
	case errors.Is(w.failure, errSilent) && next.Checkpoint.Size <= w.file.Covered:
		// The same log as before is no account of what was changed.
	default:
		w.accept(next)
	}
	if w.failure == nil {
		w.unshown = false
	}
	if w.unsaved {
		w.save()
	}
	w.cfg.Observe(w.failure)
	return w.answer(), failed && w.failure == nil
}

// stream begins a control stream: a controller that has what was witnessed shows that
// before its policy counts.
func (w *auditWitness) stream() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unshown = w.kept.Checkpoint.Size > 0
}

// shown is why no policy is taken on this stream yet.
func (w *auditWitness) shown() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unshown {
		return errUnshown
	}
	return nil
}

// sizeOf keeps a size that no log has from wrapping around.
func sizeOf(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

// noticeReset starts anew when an operator took the file of a failed witness away.
func (w *auditWitness) noticeReset() {
	if w.failure == nil || !w.onDisk {
		return
	}
	if _, err := witness.Load(w.path); errors.Is(err, fs.ErrNotExist) {
		w.cfg.Log.Warn("witness of the audit log was reset by an operator")
		w.file, w.kept, w.failure = witness.File{Connector: w.cfg.Self}, witness.Kept{}, nil
		w.broken, w.onDisk, w.unsaved = false, false, false
		w.settle()
	}
}

func (w *auditWitness) accept(next witness.Kept) {
	grown := next.Checkpoint.Size > w.kept.Checkpoint.Size
	if !grown && w.failure == nil {
		return
	}
	decides := w.failure != nil || w.kept.Checkpoint.Size == 0
	if w.failure != nil {
		w.cfg.Log.Info("audit log extends what was witnessed again", zap.Int64("size", next.Checkpoint.Size))
	}
	w.kept, w.failure = next, nil
	w.file = witness.File{
		Connector: w.cfg.Self, VerifierKey: next.VerifierKey, Checkpoint: next.Note, WitnessedAt: w.now().UTC(), Covered: w.file.Covered,
	}
	if !w.due.IsZero() && next.Checkpoint.Size > w.file.Covered {
		w.file.Covered = next.Checkpoint.Size
		w.settle()
	}
	if decides {
		w.save()
	} else {
		w.saveSoon()
	}
}

func (w *auditWitness) refuse(o witness.Offer, err error) {
	first := w.failure == nil || w.failure.Error() != err.Error()
	if !first {
		return
	}
	w.file.Refused, w.file.OfferedBy = "", ""
	if len(o.Note) <= witness.MaxNote {
		w.file.Refused = string(o.Note)
	}
	if o.VerifierKey != w.kept.VerifierKey && len(o.VerifierKey) <= witness.MaxKey {
		w.file.OfferedBy = o.VerifierKey
	}
	w.fail(err)
	w.save()
}

// fail needs the lock, or to be alone.
func (w *auditWitness) fail(err error) {
	w.failure = err
	w.file.Failure, w.file.FailedAt = err.Error(), w.now().UTC()
	w.cfg.Log.Error("audit log of the controller does not extend the witnessed one, newer policy is refused: see docs/audit.md",
		zap.Int64("witnessed", w.kept.Checkpoint.Size), zap.Error(err))
	w.cfg.Observe(err)
}

// owes notes that a newer policy was applied. The log must have grown since the
// last one, or grow within the bound; else expired is called, once.
func (w *auditWitness) owes(expired func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if size := w.kept.Checkpoint.Size; size > w.file.Covered {
		w.file.Covered = size
		w.saveSoon()
		return
	}
	if !w.due.IsZero() {
		return
	}
	w.due = w.now().Add(w.cfg.Bound)
	w.alarm = time.AfterFunc(w.cfg.Bound, func() {
		w.mu.Lock()
		late := !w.due.IsZero() && w.failure == nil
		if late {
			w.fail(errSilent)
			w.save()
		}
		w.mu.Unlock()
		if late {
			expired()
		}
	})
}

// settle needs the lock: nothing is owed any more.
func (w *auditWitness) settle() {
	w.due = time.Time{}
	if w.alarm != nil {
		w.alarm.Stop()
	}
}

// stop ends the timers and writes what was not.
func (w *auditWitness) stop() {
	w.flush()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.settle()
}

// ready is the readiness check.
func (w *auditWitness) ready() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure == nil {
		return nil
	}
	return fmt.Errorf("%w (%d records witnessed at %s): newer policy is refused, see grpcconnector witness show",
		w.failure, w.kept.Checkpoint.Size, w.file.WitnessedAt.UTC().Format(time.RFC3339))
}

// size is what was witnessed.
func (w *auditWitness) size() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return uint64(w.kept.Checkpoint.Size) //nolint:gosec // never negative
}

// key is that of the log that is witnessed; empty if none is.
func (w *auditWitness) key() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept.VerifierKey
}

// answer needs the lock.
func (w *auditWitness) answer() *zerotrustv1.AuditWitness {
	a := &zerotrustv1.AuditWitness{Size: uint64(w.kept.Checkpoint.Size)} //nolint:gosec // never negative
	if w.failure != nil {
		// Clip keeps to whole characters: gRPC sends no text that a cut has broken, and the
		// controller's own words are in this one.
		a.Failure = wire.Clip(w.failure.Error(), wire.MaxReason)
	}
	return a
}
