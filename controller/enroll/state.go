package enroll

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// auditState is the token in the audit log, as JSON.
func (t Token) auditState(now time.Time) string {
	source := ""
	if t.Source.IsValid() {
		source = t.Source.String()
	}
	return audit.State(struct {
		Status    State           `json:"status"`
		Workload  string          `json:"workload"`
		Replace   bool            `json:"replace,omitempty"`
		Source    string          `json:"source,omitempty"`
		Delivery  Delivery        `json:"delivery,omitempty"`
		Recipient string          `json:"recipient,omitempty"` // a public key's name
		ExpiresAt time.Time       `json:"expires_at"`
		OpenedAt  time.Time       `json:"opened_at,omitzero"`
		RevokedAt time.Time       `json:"revoked_at,omitzero"`
		Host      identity.HostID `json:"host,omitempty"`
	}{
		t.State(now), t.Workload.String(), t.Replace, source, t.Delivery, t.Recipient,
		t.ExpiresAt, t.OpenedAt, t.RevokedAt, t.HostID,
	})
}

// auditState is the request in the audit log, as JSON. replace is what its approval
// says.
func (r Request) auditState(now time.Time, replace bool) string {
	s := struct {
		Status      RequestState `json:"status"`
		Workload    string       `json:"workload"`
		Fingerprint string       `json:"fingerprint"`
		Mismatches  int          `json:"mismatches,omitempty"`
		ExpiresAt   time.Time    `json:"expires_at"`
		DecidedBy   string       `json:"decided_by,omitempty"`
		Replace     bool         `json:"replace,omitempty"`
		Token       string       `json:"token,omitempty"`
	}{
		Status: r.State(now), Workload: r.Workload.String(), Fingerprint: r.Fingerprint, Mismatches: r.Mismatches,
		ExpiresAt: r.ExpiresAt, DecidedBy: r.DecidedBy,
	}
	if r.Decision == Approved {
		s.Replace, s.Token = replace, r.TokenID
	}
	return audit.State(s)
}
