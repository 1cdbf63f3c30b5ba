package hostprogram

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

// runFile says where a program that was given port 0 is, while it runs.
const runFile = "run.json"

// CheckStateDir is the readiness check that is Kept.Ready.
const CheckStateDir = "state_dir"

// Kept knows whether what should survive a restart of a program is on its disk. A
// state directory that is full, read-only or cannot be made is no reason to stop: the
// program has all of it in memory, says so, and writes it once it can.
type Kept struct {
	dir string // empty: nothing is to be kept
	log *zap.Logger

	mu     sync.Mutex
	faults map[string]error // file to why it could not be written
	run    []byte           // content of runFile, nil before and after the run
}

// NewKept makes the directory where it is missing.
func NewKept(stateDir string, log *zap.Logger) *Kept {
	k := &Kept{dir: stateDir, log: log, faults: map[string]error{}}
	if stateDir != "" {
		if err := os.MkdirAll(stateDir, 0o700); err != nil {
			log.Warn("state directory not usable, state is in memory only and lost at a restart: check STATE_DIR", zap.Error(err))
		}
	}
	return k
}

// Note takes the outcome of writing a file of the directory; nil ends its fault.
func (k *Kept) Note(file string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.note(file, err)
}

// note needs the lock.
func (k *Kept) note(file string, err error) {
	if err == nil {
		delete(k.faults, file)
		return
	}
	k.faults[file] = err
}

// Addresses writes where the program listens, as Address reads it; forget removes
// that when the program ends.
func (k *Kept) Addresses(at map[string]any) (forget func()) {
	if k.dir == "" {
		return func() {}
	}
	raw, err := json.Marshal(at)
	k.mu.Lock()
	defer k.mu.Unlock()
	raw = append(raw, '\n')
	k.run = raw
	if err == nil {
		err = k.write()
	}
	if err != nil {
		k.log.Warn("listen addresses not written to the state directory", zap.Error(err))
	}
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.run = nil
		_ = os.Remove(filepath.Join(k.dir, runFile))
	}
}

// write needs the lock.
func (k *Kept) write() error {
	err := os.MkdirAll(k.dir, 0o700)
	if err == nil {
		err = atomicfile.Write(filepath.Join(k.dir, runFile), k.run, 0o600)
	}
	k.note(runFile, err)
	return err
}

// Ready is the readiness check: it is degraded, naming the file, while something is in
// memory only. What the program itself wrote is tried again here.
func (k *Kept) Ready(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.faults[runFile] != nil && k.run != nil {
		_ = k.write() // noted
	}
	var reasons error
	for _, file := range slices.Sorted(maps.Keys(k.faults)) {
		reasons = errors.Join(reasons, fmt.Errorf("%s: %w", file, k.faults[file]))
	}
	if reasons == nil {
		return nil
	}
	return health.Degraded(fmt.Errorf("everything works, but a restart loses the state that cannot be written to %s: %w", k.dir, reasons))
}

// Explain says what is kept where, for /readyz.
func (k *Kept) Explain() string { return "kept in " + k.dir }
