package adminapi

import "time"

// CLIClientID is the client_id of our command line, which has no secret.
const CLIClientID = "grpccontroller-cli"

// DeviceCodeGrant is the grant_type of RFC 8628 section 3.4.
const DeviceCodeGrant = "urn:ietf:params:oauth:grant-type:device_code"

// Values of Problem.Error of POST /oauth/token while a command line waits (RFC 8628
// section 3.5).
const (
	ErrorPending  = "authorization_pending"
	ErrorSlowDown = "slow_down"
	ErrorDenied   = "access_denied"
	ErrorExpired  = "expired_token"
)

// DeviceAuthorizationRequest is the form of POST /oauth/device_authorization (RFC 8628
// section 3.1).
type DeviceAuthorizationRequest struct {
	ClientID string `json:"client_id" enum:"grpccontroller-cli"`
	// HostName is what the command line's host says it is called, for the person who
	// approves.
	HostName string `json:"host_name,omitempty"`
}

// DeviceAuthorization is the reply (RFC 8628 section 3.2).
type DeviceAuthorization struct {
	DeviceCode      string `json:"device_code"`
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
	ExpiresIn       int    `json:"expires_in"` // seconds
	Interval        int    `json:"interval"`   // seconds between two requests of POST /oauth/token
}

// RevocationRequest is the form of POST /oauth/revoke (RFC 7009).
type RevocationRequest struct {
	Token         string `json:"token"`
	TokenTypeHint string `json:"token_type_hint,omitempty"`
	ClientID      string `json:"client_id,omitempty"`
}

// UserCode is what a person typed: POST /device/look, /device/approve, /device/deny.
type UserCode struct {
	UserCode string `json:"user_code"`
}

// WaitingDevice is a command line that waits for a person.
type WaitingDevice struct {
	// HostName is what it says of itself, and not verified; may be empty.
	HostName string `json:"host_name"`
	// Source is the address that it asked from, YourSource that of whoever looks.
	Source     string    `json:"source"`
	YourSource string    `json:"your_source"`
	AskedAt    time.Time `json:"asked_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	// TokenExpiresIn is how many seconds it is signed in for if it is approved.
	TokenExpiresIn int `json:"token_expires_in"`
}

// Caller is who calls: GET /whoami.
type Caller struct {
	Actor       string   `json:"actor"`
	Kind        string   `json:"kind"` // person or key
	Name        string   `json:"name"`
	Role        string   `json:"role,omitempty"` // of a person
	Permissions []string `json:"permissions"`
	TrustDomain string   `json:"trust_domain"`
}
