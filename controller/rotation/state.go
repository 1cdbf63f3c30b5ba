package rotation

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// auditState is the rotation in the audit log, as JSON. The serial numbers of the
// agents are left out and those who were dropped are counted: their event names
// them, and there may be ten thousand.
func (r Rotation) auditState() string {
	deadline := ""
	if r.Options.Deadline > 0 {
		deadline = r.Options.Deadline.String()
	}
	return audit.State(struct {
		State      State         `json:"state"`
		Phase      Phase         `json:"phase"`
		Emergency  bool          `json:"emergency,omitempty"`
		Offline    OfflinePolicy `json:"offline"`
		Deadline   string        `json:"deadline,omitempty"`
		OnDeadline Expiry        `json:"on_deadline"`
		Replace    []string      `json:"replace"`
		Signer     string        `json:"signer,omitempty"`
		Dropped    int           `json:"dropped,omitempty"`
		Reason     string        `json:"reason,omitempty"`
		EndedAt    time.Time     `json:"ended_at,omitzero"`
	}{
		r.State, r.Phase, r.Options.Emergency, r.Options.Offline, deadline, r.Options.OnExpiry,
		r.Replace, r.Signer, len(r.Dropped), r.Reason, r.EndedAt,
	})
}
