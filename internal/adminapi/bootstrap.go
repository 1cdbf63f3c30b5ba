package adminapi

import "time"

// BootstrapCA is the reply to GET /ca/bootstrap: the CA that signs the enrollment
// listener's and the hosts' certificates, and its replacement.
type BootstrapCA struct {
	// Anchors are in force: the first one signs, all are trusted.
	Anchors     []BootstrapAnchor     `json:"anchors"`
	Replacement *BootstrapReplacement `json:"replacement,omitempty"`
}

// BootstrapAnchor is one certificate of the bootstrap CA.
type BootstrapAnchor struct {
	// Fingerprint is SHA-256 of the certificate, hexadecimal.
	Fingerprint string    `json:"fingerprint"`
	Signs       bool      `json:"signs"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
}

// BootstrapReplacement is the replacement that runs, or ran last.
type BootstrapReplacement struct {
	ID string `json:"id"`
	// Status is running, done or aborted.
	Status string `json:"status" enum:"running,done,aborted"`
	// Phase is preparing, prepared (until every host trusts the new CA), activating,
	// activated (until every host has a certificate of it), retiring or retired (until
	// no host trusts the old one).
	Phase     string    `json:"phase" enum:"preparing,prepared,activating,activated,retiring,retired"`
	Old       string    `json:"old"`
	New       string    `json:"new,omitempty"`
	Deadline  string    `json:"deadline,omitempty"`
	StartedBy string    `json:"started_by"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Skipped are hosts that were not ready at a deadline. They get in later by themselves.
	Skipped []string `json:"skipped"`
	// Gate is what it waits for now, Offline the hosts that it does not wait for.
	Gate    *Gate `json:"gate,omitempty"`
	Offline int   `json:"offline,omitempty"`
}

// Finished says that it will not change any more.
func (r BootstrapReplacement) Finished() bool { return r.Status != RotationRunning }

// BootstrapRequest asks for a replacement: POST /ca/bootstrap/replacements.
type BootstrapRequest struct {
	// DryRun only says what would be done.
	DryRun bool `json:"dry_run,omitempty"`
	// Deadline is a Go duration, how long each wait may last, at least 30s; absent is for ever.
	Deadline string `json:"deadline,omitempty"`
}

// BootstrapPreview is the reply to a dry run.
type BootstrapPreview struct {
	DryRun bool     `json:"dry_run"` // always true
	Steps  []string `json:"steps"`
	// Gate is the first wait as it stands: the hosts that have to follow, and those that
	// would block it because their agent has not asked. Offline are not waited for.
	Gate    Gate `json:"gate"`
	Offline int  `json:"offline,omitempty"`
}
