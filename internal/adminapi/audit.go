package adminapi

import (
	"encoding/json"
	"time"
)

// AuditEvent is one record of the audit log.
type AuditEvent struct {
	// Index is the place in the Merkle log; absent until the event has one, which is
	// at most a second.
	Index   *int64    `json:"index,omitempty"`
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor"` // "" is an unknown caller
	Action  string    `json:"action"`
	Target  string    `json:"target"`
	Outcome string    `json:"outcome"` // "success" or "denied"
	// Title is the action in words; Level is "info", "notice", "warning" or "alert".
	Title string `json:"title" example:"Enrolled"`
	Level string `json:"level" example:"info"`
	// The kinds and ids of actor and target, such as "connector" and "c-01"; a kind is
	// empty where the text names none, an id where there is one of the kind.
	ActorKind  string `json:"actor_kind,omitempty" example:"person"`
	ActorID    string `json:"actor_id,omitempty" example:"p_4f2a"`
	TargetKind string `json:"target_kind,omitempty" example:"connector"`
	TargetID   string `json:"target_id,omitempty" example:"c-01"`
	// Count is how many equal events this one stands for.
	Count     uint64 `json:"count"`
	Reason    string `json:"reason,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	Source    string `json:"source,omitempty"`
	// Before and After are the target's state around a change, any JSON.
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// AuditList is one page of GET /audit, newest first. A page can have fewer events than were
// asked for, or none, though NextPageToken names a next one: a page examines 10,000 events at
// most.
type AuditList struct {
	Events        []AuditEvent `json:"events"`
	NextPageToken string       `json:"next_page_token"`
	// Total counts all events that are kept; it is absent where a filter chooses some.
	Total *int64 `json:"total,omitempty"`
}

// SVIDRenewal is an SVID that a member proved to a controller.
type SVIDRenewal struct {
	Seq       int64     `json:"seq"`
	Time      time.Time `json:"time"`
	Member    string    `json:"member"` // "connector/c-01"
	Serial    string    `json:"serial"` // hexadecimal
	Authority string    `json:"authority"`
	NotAfter  time.Time `json:"not_after"`
}

// SVIDRenewalList is one page of GET /audit/renewals, newest first. As in an AuditList, a page
// can be short though there is a next one.
type SVIDRenewalList struct {
	Renewals      []SVIDRenewal `json:"renewals"`
	NextPageToken string        `json:"next_page_token"`
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
	State     string    `json:"state"`
	CheckedAt time.Time `json:"checked_at,omitzero"`
	Seconds   float64   `json:"seconds"`
	// Records are intact: those that came since the check before were read now, older ones
	// are read again once a day. Of Archived ones, which retention removed, the hashes are.
	Records    int64           `json:"records"`
	Archived   int64           `json:"archived"`
	Read       int64           `json:"read"`     // records that this check read
	Renewals   int64           `json:"renewals"` // SVID renewals that this check read
	Running    bool            `json:"running"`
	Problem    *AuditProblem   `json:"problem,omitempty"`
	Checkpoint AuditCheckpoint `json:"checkpoint"`
	Witnesses  []AuditWitness  `json:"witnesses"`
}

// AuditProblem is the first bad record of the log.
type AuditProblem struct {
	// Kind is "changed", "deleted", "reordered", "rewritten", "rolled back",
	// "unsigned tail" or "forged".
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
