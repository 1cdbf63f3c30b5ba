package fleet

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Words for an enrollment in the audit log.
const (
	enrolled = "enrolled"
	revoked  = "revoked"
)

func standing(revokedAt time.Time) string {
	if revokedAt.IsZero() {
		return enrolled
	}
	return revoked
}

// AuditState is the member in the audit log, as JSON.
func (m Member) AuditState() string {
	return audit.State(struct {
		Status     string          `json:"status"`
		Host       identity.HostID `json:"host"`
		EnrolledAt time.Time       `json:"enrolled_at"`
		RevokedAt  time.Time       `json:"revoked_at,omitzero"`
	}{standing(m.RevokedAt), m.HostID, m.EnrolledAt, m.RevokedAt})
}

// AuditState is the host in the audit log, as JSON.
func (h Host) AuditState() string {
	return audit.State(struct {
		Status      string      `json:"status"`
		ContestedAt time.Time   `json:"contested_at,omitzero"`
		ClonedAt    time.Time   `json:"cloned_at,omitzero"`
		Clone       CloneSignal `json:"clone,omitempty"`
		RevokedAt   time.Time   `json:"revoked_at,omitzero"`
	}{standing(h.RevokedAt), h.ContestedAt, h.ClonedAt, h.Clone.Signal, h.RevokedAt})
}
