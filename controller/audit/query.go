package audit

import (
	"context"
	"time"
)

// Query chooses events. A text that ends with "*" matches what begins with the
// rest; Text is looked for everywhere, in any case.
type Query struct {
	Actor, Action, Target, Outcome, Text string

	Since, Until time.Time // Until is excluded; zero is no limit
	// Oldest turns the order around: it is newest first otherwise.
	Oldest bool
	// After is the Seq of the last row of the page before; 0 at the start.
	After int64
	Limit int
}

// QueryStore finds events.
type QueryStore interface {
	FindAudit(ctx context.Context, q Query) ([]Row, error)
	CountAudit(ctx context.Context, q Query) (int64, error)
	Witnesses(ctx context.Context) ([]Witness, error)
}

// Archive is the log for people who read it.
type Archive struct {
	QueryStore
	Sequencer *Sequencer
	SelfCheck *SelfCheck
}

// Checkpoint is the newest one, and the key to verify it with.
func (a Archive) Checkpoint() (c SignedCheckpoint, verifierKey string) {
	return a.Sequencer.Head(), a.Sequencer.cfg.Signer.VerifierKey
}

// Verified is the result of the last self check.
func (a Archive) Verified() CheckState { return a.SelfCheck.State() }
