package app

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/timeline"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// forget drops what this connector keeps of its controller, before it is enrolled
// anew. What it witnessed of this controller stays: a controller that revokes a
// connector must not get rid of a witness by that.
func forget(stateDir string, otherController bool) error {
	_, err := relay.DropPolicy(stateDir)
	if err != nil || !otherController {
		return err
	}
	_, err = witness.Retire(filepath.Join(stateDir, witness.FileName), time.Now())
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		_, err = timeline.Retire(stateDir, time.Now())
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
