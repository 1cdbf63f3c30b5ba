package witness

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
)

// FileName of the witness file in a connector's state directory.
const FileName = "audit-witness.json"

const maxFile = 32 << 10

// File is what a connector keeps. It holds no secret; it is evidence, and
// "grpccontroller audit verify --witness" reads it.
type File struct {
	Connector   string    `json:"connector"` // SPIFFE ID of the witness
	VerifierKey string    `json:"verifier_key"`
	Checkpoint  string    `json:"checkpoint"` // signed note
	WitnessedAt time.Time `json:"witnessed_at"`
	// Covered is the size of the log when it last grew for a newer policy.
	Covered int64 `json:"covered"`
	// Failure and Refused are the last checkpoint that was not accepted, and why.
	Failure   string    `json:"failure,omitempty"`
	FailedAt  time.Time `json:"failed_at,omitzero"`
	Refused   string    `json:"refused,omitempty"`
	OfferedBy string    `json:"offered_key,omitempty"` // verifier key of the refused one, where it is another
}

// Kept returns what the file witnesses, with its signature verified again.
func (f File) Kept() (Kept, error) {
	if f.Checkpoint == "" {
		return Kept{}, nil
	}
	c, err := Open([]byte(f.Checkpoint), f.VerifierKey)
	if err != nil {
		return Kept{}, fmt.Errorf("witnessed checkpoint: %w", err)
	}
	return Kept{VerifierKey: f.VerifierKey, Note: f.Checkpoint, Checkpoint: c}, nil
}

// Load reads a witness file. Where there is none, the error is fs.ErrNotExist.
func Load(path string) (File, error) {
	raw, err := atomicfile.Read(path, maxFile)
	if err != nil {
		return File{}, err
	}
	f, err := Parse(raw)
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// Parse reads the text of a witness file and verifies what it keeps.
func Parse(raw []byte) (File, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var f File
	if err := d.Decode(&f); err != nil {
		return File{}, err
	}
	if d.More() {
		return File{}, errors.New("more than one witness in the file")
	}
	_, err := f.Kept()
	return f, err
}

// Save replaces the file; it is on the disk when Save returns.
func (f File) Save(path string) error {
	raw, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(path, append(raw, '\n'), 0o600)
}

// Retire moves the file of a former witness aside and says where it is now: it is
// evidence, so it is not deleted. Where there is none, the error is fs.ErrNotExist.
func Retire(path string, at time.Time) (kept string, err error) {
	kept = path + "." + at.UTC().Format("20060102T150405Z")
	return kept, os.Rename(path, kept)
}
