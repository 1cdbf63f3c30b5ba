package adminapi

import "time"

// Request is a host that asks to be enrolled without a token. What it says of itself
// (hostname, version) is not verified; only its key is, by the fingerprint.
type Request struct {
	// EnrollmentRequestID names it in paths. A request_id is that of a call of the API.
	EnrollmentRequestID string `json:"enrollment_request_id" example:"req_0123456789abcdef0123456789abcdef"`
	// Code is on the host's screen too, to find the request by. It authorizes nothing.
	Code   string `json:"code"`
	Status string `json:"status" enum:"pending,approved,enrolled,denied,withdrawn,expired"`
	Kind   string `json:"kind" enum:"connector,tunneler"`
	// ID is the one that the host asks for.
	ID string `json:"id"`
	// LiveID says that an enrolled host has the id: an approval needs replace, and revokes that host.
	LiveID bool `json:"live_id"`
	// FingerprintStart is all of the fingerprint but its last group, which only the
	// host's own screen shows. An approval needs that group, so that somebody has looked there.
	FingerprintStart string    `json:"fingerprint_start"`
	Hostname         string    `json:"hostname"`
	Version          string    `json:"version"`
	BinaryPath       string    `json:"binary_path"`
	SystemdUnit      string    `json:"systemd_unit,omitempty"`
	UID              uint32    `json:"uid"`
	Ephemeral        bool      `json:"ephemeral"`
	SecondRole       bool      `json:"second_role"` // of a host that is enrolled already
	Source           string    `json:"source"`      // address that asked
	Mismatches       int       `json:"mismatches"`  // approvals with a wrong fingerprint; three deny it
	CreatedAt        time.Time `json:"created_at"`
	ExpiresAt        time.Time `json:"expires_at"`
	DecidedAt        time.Time `json:"decided_at,omitzero"`
	DecidedBy        string    `json:"decided_by,omitempty"`
	EnrolledAt       time.Time `json:"enrolled_at,omitzero"`
	TokenID          string    `json:"token_id,omitempty"`
	HostID           string    `json:"host_id,omitempty"`
}

// RequestList is one page of GET /requests. Total counts all pages.
type RequestList struct {
	Requests      []Request `json:"requests"`
	NextPageToken string    `json:"next_page_token"`
	Total         int       `json:"total"`
}

// Approval approves a request: POST /requests/:id/approve.
type Approval struct {
	// Fingerprint is all of it, or its last group, as the host's screen shows it. Case,
	// spaces and dashes do not count.
	Fingerprint string `json:"fingerprint"`
	// ID, if given, must be the id that the host asks for.
	ID string `json:"id,omitempty"`
	// Replace must be true when an enrolled host has the id; that host is revoked.
	Replace bool `json:"replace,omitempty"`
}
