package relay

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// load needs the lock, or to be alone.
func (w *auditWitness) load() error {
	f, err := witness.Load(w.path)
	if err != nil {
		return err
	}
	if f.Connector != w.cfg.Self {
		return fmt.Errorf("%s is of %q, not of %q", w.path, f.Connector, w.cfg.Self)
	}
	kept, err := f.Kept()
	if err != nil {
		return err
	}
	w.file, w.kept = f, kept
	switch f.Failure {
	case "":
	case errSilent.Error():
		w.failure = errSilent
	default:
		w.failure = errors.New(f.Failure)
	}
	return nil
}

// save keeps what was witnessed. What cannot be kept is still held in memory.
func (w *auditWitness) save() {
	if w.path == "" {
		return
	}
	err := w.file.Save(w.path)
	w.cfg.Saved(witness.FileName, err)
	if err != nil && !w.unsaved {
		w.cfg.Log.Warn("witnessed checkpoint not stored, kept in memory and retried with the next one", zap.Error(err))
	}
	w.unsaved, w.onDisk = err != nil, w.onDisk || err == nil
	w.grown, w.written = false, w.now()
}

// saveSoon writes what has grown, at most once in WriteEvery: a busy log would else cost
// each connector an fsync every few seconds. It needs the lock.
func (w *auditWitness) saveSoon() {
	wait := w.cfg.WriteEvery - w.now().Sub(w.written)
	switch {
	case w.path == "":
	case wait <= 0:
		w.save()
	case !w.grown:
		w.grown = true
		w.pen = time.AfterFunc(wait, w.flush)
	}
}

// flush writes what is newer than the file. A controller that ends, to come back with
// another log, has it on the disk.
func (w *auditWitness) flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.grown {
		w.pen.Stop()
		w.save()
	}
}

// absent says that there is no file, and no directory for one.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) }
