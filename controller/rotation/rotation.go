package rotation

import (
	"errors"
	"time"
)

// Errors of the methods of Manager.
var (
	ErrNone     = errors.New("no rotation is in progress")
	ErrRunning  = errors.New("a rotation is in progress: see ca status, or finish it with ca resume or ca abort")
	ErrTooLate  = errors.New("the new authority is already active and SPIRE cannot undo that: finish with ca resume; a second rotation can then replace it")
	ErrNotStuck = errors.New("the rotation is running; there is nothing to resume")
	ErrUpstream = errors.New("SPIRE has an UpstreamAuthority: rotate its root there, then run spire-server localauthority x509 taintUpstream and revokeUpstream")
)

// State of a rotation.
type State string

// States. Running and Paused are unfinished; at most one rotation is.
const (
	Running State = "running"
	// Paused waits for resume.
	Paused State = "paused"
	// Done means that no online peer trusts what was replaced, but for those that
	// were dropped by name.
	Done    State = "done"
	Aborted State = "aborted"
	// Overtaken means that SPIRE prepared the next authority before the old one was
	// revoked, and has forgotten the old one: it stays trusted until it expires.
	Overtaken State = "overtaken"
)

// OfflinePolicy says what members that are OFFLINE do to a gate.
type OfflinePolicy string

// Offline policies.
const (
	// ProceedOffline does not wait for them: they heal by fetching the bundle.
	ProceedOffline OfflinePolicy = "proceed"
	// WaitOffline waits until they are back.
	WaitOffline OfflinePolicy = "wait"
)

// Expiry says what a deadline does.
type Expiry string

// What happens to holdouts at a deadline.
const (
	// DropHoldouts continues without them.
	DropHoldouts Expiry = "drop"
	// StopForHoldouts aborts the rotation or, where that is too late, pauses it.
	StopForHoldouts Expiry = "abort"
)

// Options of a rotation.
type Options struct {
	// Deadline is how long each gate may wait; zero is for ever, and two minutes for
	// the last, after which nothing is left to do.
	Deadline  time.Duration
	OnExpiry  Expiry
	Emergency bool
	Offline   OfflinePolicy
}

// Rotation is one replacement of the authority, as it is stored.
type Rotation struct {
	ID      string
	State   State
	Phase   Phase
	Options Options
	// Replace are the authorities that were trusted at the start and are to go: the
	// active one; in an emergency it comes first and then all others of this server,
	// whose keys lie beside its own.
	Replace []string
	Actor   string
	// StartedAt, PhaseSince and EndedAt; the last is zero while unfinished.
	StartedAt, PhaseSince, EndedAt time.Time
	// Reason is why it paused or how it ended, when that was not as asked.
	Reason string
	// Dropped are the peers and agents that a deadline went on without.
	Dropped []string
	// Signer is the authority that became active last, ActivatedAt when it was first
	// seen so, and Agents the serial number of each agent's SVID then.
	Signer      string
	ActivatedAt time.Time
	Agents      map[string]string
	// Past are the phases so far, for the times they took.
	Past []Passed
}

// Passed is a phase that was entered.
type Passed struct {
	Phase     Phase     `json:"phase"`
	Authority string    `json:"authority,omitempty"`
	At        time.Time `json:"at"`
}

// Finished says that nothing will change any more.
func (r Rotation) Finished() bool { return !r.EndedAt.IsZero() }

// retreat says whether an abort leaves SPIRE as it should be: SPIRE cannot make
// an authority that it has activated a prepared one again.
func (r Rotation) retreat() bool {
	return r.ActivatedAt.IsZero() && (r.Phase == Preparing || r.Phase == Prepared)
}

// in says that this is the phase, and for this authority.
func (r Rotation) in(p Phase, authority string) bool {
	return len(r.Past) > 0 && r.Phase == p && r.Past[len(r.Past)-1].Authority == authority
}

// enter notes the beginning of a phase.
func (r *Rotation) enter(p Phase, authority string, at time.Time) {
	r.Phase, r.PhaseSince = p, at
	r.Past = append(r.Past, Passed{p, authority, at})
}

func (r *Rotation) end(s State, reason string, at time.Time) {
	r.State, r.Reason, r.EndedAt = s, reason, at
}
