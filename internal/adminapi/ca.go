package adminapi

import "time"

// CA is the reply to GET /ca: the authorities of the trust domain and the
// rotation that runs, or ran last.
type CA struct {
	Authorities []Authority `json:"authorities"`
	// Upstream is the authority above SPIRE's; rotations are refused then.
	Upstream     string       `json:"upstream,omitempty"`
	Rotation     *Rotation    `json:"rotation,omitempty"`
	Automatic    *Automatic   `json:"automatic,omitempty"`
	OutageBudget OutageBudget `json:"outage_budget"`
}

// Authority is one X.509 authority.
type Authority struct {
	ID string `json:"id"`
	// Status is active, prepared, old or, where this SPIRE server does not say,
	// other: another server's, or one that it has forgotten.
	Status    string    `json:"status" enum:"active,prepared,old,other"`
	Trusted   bool      `json:"trusted"` // it is in the bundle
	Tainted   bool      `json:"tainted"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Values of Rotation.Status.
const (
	RotationRunning   = "running"
	RotationPaused    = "paused"
	RotationDone      = "done" // no online peer trusts what was replaced, but those dropped
	RotationAborted   = "aborted"
	RotationOvertaken = "overtaken"
)

// Rotation is one replacement of the active authority.
type Rotation struct {
	ID     string `json:"id"`
	Status string `json:"status" enum:"running,paused,done,aborted,overtaken"`
	// Phase is preparing, prepared, activating, active, tainting, tainted, revoking,
	// revoked (until no online peer trusts what SPIRE has revoked) or distrusted.
	Phase      string          `json:"phase"`
	Replaces   []string        `json:"replaces"`
	Emergency  bool            `json:"emergency"`
	Offline    string          `json:"offline"`
	Deadline   string          `json:"deadline,omitempty"`
	OnDeadline string          `json:"on_deadline"`
	StartedBy  string          `json:"started_by"`
	StartedAt  time.Time       `json:"started_at"`
	EndedAt    time.Time       `json:"ended_at,omitzero"`
	Reason     string          `json:"reason,omitempty"`
	Dropped    []string        `json:"dropped"`
	Phases     []RotationPhase `json:"phases"`
	// Gate is what it waits for now.
	Gate *Gate `json:"gate,omitempty"`
}

// Finished says that it will not change any more.
func (r Rotation) Finished() bool { return r.Status != RotationRunning && r.Status != RotationPaused }

// RotationPhase is a phase that was entered.
type RotationPhase struct {
	Phase     string    `json:"phase"`
	Authority string    `json:"authority,omitempty"`
	At        time.Time `json:"at"`
	// Seconds is how long it took, or takes until now.
	Seconds float64 `json:"seconds"`
}

// Gate is a wait: through of total members are ready, the others hold it up.
type Gate struct {
	Total    int       `json:"total"`
	Through  int       `json:"through"`
	HeldUpBy []Holdout `json:"held_up_by"`
	Deadline time.Time `json:"deadline,omitzero"`
}

// Holdout is a member or agent that a rotation waits for.
type Holdout struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Automatic is a rotation of SPIRE's own, which waits for nobody.
type Automatic struct {
	Phase     string `json:"phase"` // prepared or active
	Authority string `json:"authority"`
	Gate      Gate   `json:"gate"`
}

// OutageBudget is how long sessions continue when the controller is gone: until
// the policy is too old and, once SPIRE is gone too, until their identity ends.
// The shorter limit counts.
type OutageBudget struct {
	PolicyAge string           `json:"policy_age"`
	Identity  []IdentityBudget `json:"identity"`
}

// IdentityBudget is half to whole SVID TTL, and 30 s.
type IdentityBudget struct {
	Kind  string `json:"kind"`
	Least string `json:"least"`
	Most  string `json:"most"`
}

// What the field confirm must say: the operation by its name, so that no slip of a
// script, and no request that was meant for another one, does what cannot be undone.
const (
	ConfirmRotate    = "rotate"
	ConfirmEmergency = "emergency" // a rotation that waits for nobody
	ConfirmResume    = "resume"    // of a rotation
	ConfirmReset     = "reset"     // of a person
)

// ResumeRequest continues a rotation: POST /ca/rotations/resume.
type ResumeRequest struct {
	Confirm string `json:"confirm" enum:"resume"`
}

// RotationRequest asks for a rotation: POST /ca/rotations.
type RotationRequest struct {
	// Confirm is "rotate", and "emergency" with emergency. A dry run needs none.
	Confirm string `json:"confirm,omitempty" enum:"rotate,emergency"`
	// DryRun only says what would be done.
	DryRun    bool `json:"dry_run,omitempty"`
	Emergency bool `json:"emergency,omitempty"`
	// Deadline is a Go duration, how long each wait may last; absent is for ever.
	Deadline string `json:"deadline,omitempty"`
	// OnDeadline is "drop" (the default: continue without the members that are not ready) or "abort".
	OnDeadline string `json:"on_deadline,omitempty"`
	// Offline is "proceed" (the default) or "wait".
	Offline string `json:"offline,omitempty"`
}

// RotationPreview is the reply to a dry run.
type RotationPreview struct {
	DryRun   bool     `json:"dry_run"` // always true
	Replaces []string `json:"replaces"`
	// Reuses is the authority that SPIRE has prepared already.
	Reuses string   `json:"reuses,omitempty"`
	Steps  []string `json:"steps"`
	Gate   Gate     `json:"gate"`
}
