package anchors

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
)

// State says whether a replacement is under way.
type State string

// The states.
const (
	Running State = "running"
	Done    State = "done" // no host that is here trusts the old CA, but those skipped
	Aborted State = "aborted"
)

// Phase is the step that is taken, or the wait after it.
type Phase string

// The phases, in their order. Each step is done again if the program was killed in it.
const (
	Preparing  Phase = "preparing"
	Prepared   Phase = "prepared" // until every host trusts the second anchor
	Activating Phase = "activating"
	Activated  Phase = "activated" // until every host has a certificate of it
	Retiring   Phase = "retiring"
	Retired    Phase = "retired" // until no host trusts the old one
)

// Phases lists all phases.
func Phases() []Phase {
	return []Phase{Preparing, Prepared, Activating, Activated, Retiring, Retired}
}

// Record is one replacement of the bootstrap CA.
type Record struct {
	ID        string        `json:"id"`
	State     State         `json:"state"`
	Phase     Phase         `json:"phase"`
	PhaseAt   time.Time     `json:"phase_at"`
	Old       string        `json:"old"` // SHA-256 of the certificates, hexadecimal
	New       string        `json:"new,omitempty"`
	StartedBy string        `json:"started_by"`
	StartedAt time.Time     `json:"started_at"`
	EndedAt   time.Time     `json:"ended_at,omitzero"`
	Deadline  time.Duration `json:"deadline,omitempty"` // of each wait; 0 is none
	Skipped   []string      `json:"skipped,omitempty"`  // hosts, at a deadline
}

// Finished says that it will not change any more.
func (r Record) Finished() bool { return r.State != Running }

const maxRecord = 1 << 20

// readRecord returns nil before the first replacement.
func readRecord(path string) (*Record, error) {
	raw, err := atomicfile.Read(path, maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // there is none, which is no error
	}
	if err != nil {
		return nil, err
	}
	var r Record
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &r, nil
}

func (r Record) write(path string) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(raw, '\n'), 0o600)
}
