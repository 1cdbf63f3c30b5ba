package adminapi

import (
	"encoding/json"
	"time"
)

// AuditEvent is one record of the audit log.
type AuditEvent struct {
	// Index is the place in the Merkle log; absent until the event has one, which is
	// at most a second.
	Index     *int64    `json:"index,omitempty"`
	Time      time.Time `json:"time"`
	Actor     string    `json:"actor"` // "" is an unknown caller
	Action    string    `json:"action"`
	Target    string    `json:"target"`
	Outcome   string    `json:"outcome"` // "success" or "denied"
	Reason    string    `json:"reason,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Source    string    `json:"source,omitempty"`
	// Before and After are the target's state around a change, any JSON.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// AuditList is one page of GET /audit, newest first.
type AuditList struct {
	Events        []AuditEvent `json:"events"`
	NextPageToken string       `json:"next_page_token"`
	Total         int64        `json:"total"`
}

// AuditCheckpoint is the newest signed state of the log.
type AuditCheckpoint struct {
	Size int64     `json:"size"`
	Time time.Time `json:"time,omitzero"`
	// Note is signed (c2sp.org/tlog-checkpoint); empty while the log is.
	Note        string `json:"note"`
	VerifierKey string `json:"verifier_key"`
}

// AuditVerification is the reply to GET /audit/verification.
type AuditVerification struct {
	// State of the controller's own last check: "pending", "ok", "bad" or "failed".
	State      string          `json:"state"`
	CheckedAt  time.Time       `json:"checked_at,omitzero"`
	Seconds    float64         `json:"seconds"`
	Records    int64           `json:"records"` // that it verified
	Running    bool            `json:"running"`
	Problem    *AuditProblem   `json:"problem,omitempty"`
	Checkpoint AuditCheckpoint `json:"checkpoint"`
	Witnesses  []AuditWitness  `json:"witnesses"`
}

// AuditProblem is the first bad record of the log.
type AuditProblem struct {
	// Kind is "changed", "deleted", "reordered", "rewritten", "rolled back",
	// "unsigned tail" or "forged checkpoint".
	Kind   string    `json:"kind"`
	Index  int64     `json:"index"`
	Time   time.Time `json:"time,omitzero"`
	Action string    `json:"action,omitempty"`
	Detail string    `json:"detail"`
}

// AuditWitness is a connector that keeps a checkpoint of the log.
type AuditWitness struct {
	ConnectorID string    `json:"connector_id"`
	Size        int64     `json:"size"`
	At          time.Time `json:"at"`
	// Failure is why it refused the newest checkpoint; empty if it did not.
	Failure string `json:"failure,omitempty"`
}
