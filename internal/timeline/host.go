package timeline

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// FileName of what a host keeps, in its state directory.
const FileName = "timeline.json"

const maxFile = 64 << 10

// HostConfig configures a Host.
type HostConfig struct {
	TrustDomain string
	// StateDir keeps the pin over a restart; empty keeps it in memory only.
	StateDir string
	// Reset is the command by which root of this host begins anew, for errors.
	Reset string
	// Saved is called with whether the file could be written. Optional.
	Saved func(file string, err error)
	Log   *zap.Logger
	Now   func() time.Time // nil: time.Now
}

// Host is what a running host keeps of timelines.
type Host struct {
	cfg  HostConfig
	path string

	mu     sync.Mutex
	kept   Kept
	broken error // the file is there and not usable: only an operator ends that
	// onDisk says that the file is there, or was when it was looked at last.
	onDisk  bool
	unsaved bool
	offered *zerotrustv1.Timeline // by the controller of this stream
	refused error                 // why its statement was not accepted
}

// Open loads what an earlier run kept.
func Open(cfg HostConfig) *Host {
	if cfg.Saved == nil {
		cfg.Saved = func(string, error) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	h := &Host{cfg: cfg}
	if cfg.StateDir == "" {
		return h
	}
	h.path = filepath.Join(cfg.StateDir, FileName)
	kept, err := Load(h.path, cfg.TrustDomain)
	h.onDisk = !absent(err)
	if err != nil && h.onDisk {
		h.broken = fmt.Errorf("the kept timeline is not usable: %w", err)
		cfg.Log.Error("kept timeline not usable: nothing is taken of a controller until it is reset", zap.String("run", cfg.Reset), zap.Error(err))
		return h
	}
	h.kept = kept
	return h
}

// Load reads the file of a host and verifies what it keeps. Where there is none, the error
// is fs.ErrNotExist.
func Load(path, trustDomain string) (Kept, error) {
	raw, err := atomicfile.Read(path, maxFile)
	if err != nil {
		return Kept{}, err
	}
	var k Kept
	if err := json.Unmarshal(raw, &k); err != nil {
		return Kept{}, err
	}
	if k.RecoveryKey != "" {
		if _, err := CheckKey(k.RecoveryKey, trustDomain); err != nil {
			return Kept{}, err
		}
	}
	if k.Number > 1 && k.RecoveryKey != "" {
		s, err := Verify([]byte(k.Statement), k.RecoveryKey, trustDomain)
		if err != nil {
			return Kept{}, err
		}
		if s.Number != k.Number {
			return Kept{}, fmt.Errorf("%w: of timeline %d, and %d is followed", ErrMalformed, s.Number, k.Number)
		}
	}
	return k, nil
}

// Enrolled pins the recovery key that a host received with its enrollment, for a program
// that runs as uid. What it pinned before of the same controller stays.
func Enrolled(stateDir string, uid int, m *zerotrustv1.Timeline, number uint64, trustDomain string, now time.Time) error {
	was, err := Load(filepath.Join(stateDir, FileName), trustDomain)
	if err != nil && !absent(err) {
		return err
	}
	k, err := was.Pin(m, number, trustDomain, now)
	if err != nil || k == was {
		return err
	}
	raw, err := k.encode()
	if err != nil {
		return err
	}
	return atomicfile.Give(stateDir, FileName, raw, uid)
}

func (k Kept) encode() ([]byte, error) {
	raw, err := json.MarshalIndent(k, "", "  ")
	return append(raw, '\n'), err
}

// Retire moves the file aside, so that the first controller that is seen then counts
// again. It is evidence, so it is not deleted. Where there is none, the error is
// fs.ErrNotExist.
func Retire(stateDir string, at time.Time) (kept string, err error) {
	path := filepath.Join(stateDir, FileName)
	kept = path + "." + at.UTC().Format("20060102T150405Z")
	return kept, atomicfile.Locked(stateDir, func() error { return os.Rename(path, kept) })
}

// Begin says in which timeline the policy or directory is that was kept.
func (h *Host) Begin(number uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.kept.Number = max(h.kept.Number, number)
}

// Kept is what is held now.
func (h *Host) Kept() Kept {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.kept
}

// Stream begins a stream: what the controller of the last one said no longer counts.
func (h *Host) Stream() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noticeReset()
	h.offered, h.refused = nil, nil
}

// PolicyReset is called when an operator took away what is kept of a controller: the next
// one is the first, unless a pin says otherwise.
func (h *Host) PolicyReset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noticeReset()
	if !h.onDisk {
		h.kept, h.offered, h.refused = Kept{}, nil, nil
	}
}

// gone says that an operator took the file away. It needs the lock.
func (h *Host) gone() bool {
	if !h.onDisk {
		return false
	}
	_, err := os.Lstat(h.path)
	return absent(err)
}

func (h *Host) noticeReset() {
	if h.gone() {
		h.cfg.Log.Warn("kept timeline and recovery key were reset by an operator")
		h.kept, h.broken, h.onDisk, h.unsaved, h.refused = Kept{}, nil, false, false, nil
	}
}

// Take takes what a controller says of its timeline. begins is called, with what was
// followed before, when another one is to be followed: it makes the host ready for that,
// and what it does is on the disk before the new timeline is.
func (h *Host) Take(m *zerotrustv1.Timeline, begins func(Statement, Kept)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.noticeReset()
	if h.broken != nil {
		return
	}
	h.offered, h.refused = m, nil
	before := h.kept
	next, accepted, err := h.kept.Judge(m, h.cfg.TrustDomain, h.cfg.Now())
	if err != nil {
		h.refuse(m, before, next, err)
		return
	}
	if !accepted {
		return
	}
	s, _ := next.Begun()
	h.cfg.Log.Warn("another timeline of the controller begins", zap.Uint64("timeline", s.Number), zap.Uint64("before", before.Number), zap.String("reason", s.Reason))
	begins(s, next)
	h.kept = next
	h.save()
}

// refuse needs the lock. A host without any controller yet takes the first one that it
// sees, and judges the statement when it pins the key.
func (h *Host) refuse(m *zerotrustv1.Timeline, before, next Kept, err error) {
	if before.Number == 0 && errors.Is(err, ErrNoKey) {
		return
	}
	h.refused = err
	h.cfg.Log.Error("statement of the controller's timeline refused", zap.Uint64("followed", before.Number), zap.Int("bytes", len(m.GetStatement())), zap.Error(err))
	if next.Conflict != before.Conflict {
		h.kept = next
		h.save()
	}
}

// Follows is why nothing is taken of a controller that is in a timeline, and what to do;
// nil if it is the one that is followed.
func (h *Host) Follows(number uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.stopped(); err != nil {
		return err
	}
	err := h.kept.Follows(number)
	switch {
	case err == nil:
		return nil
	case h.refused != nil:
		err = fmt.Errorf("%w: its statement is refused: %w", err, h.refused)
	}
	return fmt.Errorf("%w: if the controller was restored, run `grpccontroller recovery start --after %d` there; without the recovery key, run `%s` on this host as root",
		err, h.kept.Number, h.cfg.Reset)
}

// Stopped is why this host admits nobody new, and what to do; nil if it does.
func (h *Host) Stopped() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stopped()
}

func (h *Host) stopped() error {
	err := h.broken
	if err == nil {
		err = h.kept.Stopped()
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: find out who used the recovery key, stop the controller that is not the right one, then run `%s` on this host as root", err, h.cfg.Reset)
}

// Taken notes that the policy or directory of the controller of this stream was taken, and
// pins its recovery key if none is.
func (h *Host) Taken(number uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken != nil {
		return
	}
	h.kept.Number = max(h.kept.Number, number)
	if h.offered == nil {
		return
	}
	next, err := h.kept.Pin(h.offered, number, h.cfg.TrustDomain, h.cfg.Now())
	h.offered = nil
	if err != nil {
		h.cfg.Log.Error("recovery key of the controller not pinned", zap.Error(err))
		return
	}
	if next != h.kept {
		h.cfg.Log.Info("recovery key of the controller pinned", zap.String("recovery_key", next.RecoveryKey), zap.Uint64("timeline", next.Number))
		h.kept = next
		h.save()
	} else if h.unsaved {
		h.save()
	}
}

// save needs the lock. What cannot be kept is held in memory and tried again.
func (h *Host) save() {
	if h.path == "" {
		return
	}
	raw, err := h.kept.encode()
	gone := false
	if err == nil {
		err = atomicfile.Locked(h.cfg.StateDir, func() error { // Retire comes before or after
			if gone = h.gone(); gone {
				return nil
			}
			return atomicfile.Write(h.path, raw, 0o600)
		})
	}
	if gone {
		h.noticeReset()
		return
	}
	h.cfg.Saved(FileName, err)
	if err != nil {
		h.cfg.Log.Warn("timeline not stored, kept in memory and tried again on the next stream", zap.Error(err))
	}
	h.unsaved, h.onDisk = err != nil, h.onDisk || err == nil
}

// absent says that there is no file, and no directory for one.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }
