package audit

import "time"

// NewTurnsOf gives turns when heads says so.
func NewTurnsOf(heads <-chan struct{}, now func() time.Time) *Turns {
	return &Turns{heads: func() (<-chan struct{}, func()) { return heads, func() {} }, now: now}
}

// StatementReaders read each type of statement.
func StatementReaders() []func(raw, verifierKey string) error {
	return []func(raw, verifierKey string) error{
		func(raw, key string) error { _, err := readStatement[Anchor](raw, key); return err },
		func(raw, key string) error { _, err := readStatement[Archived](raw, key); return err },
		func(raw, key string) error { _, err := readStatement[Mark](raw, key); return err },
	}
}

// Cover and ProofPositions are what archived segments keep.
var (
	Cover          = cover
	ProofPositions = proofPositions
	HeldPositions  = heldPositions
)
