package adminapi

// ProblemContentType is the media type of every error (RFC 9457).
const ProblemContentType = "application/problem+json"

// Problem is an RFC 9457 problem. Detail is for people and may change; programs
// look at Type, Status and Field.
type Problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"`
	RequestID string `json:"request_id"`
	// Field is the body field or query parameter that is at fault.
	Field string `json:"field,omitempty"`
	// Error is a code of RFC 6749 section 5.2, of the /oauth paths only.
	Error string `json:"error,omitempty"`
	// Resource is the id of what the request with this Idempotency-Key made.
	Resource string `json:"resource,omitempty"`
}

// Types of problems.
const (
	TypeInvalidRequest   = "urn:grpccontroller:problem:invalid-request"
	TypeUnauthenticated  = "urn:grpccontroller:problem:unauthenticated"
	TypeForbidden        = "urn:grpccontroller:problem:forbidden"
	TypeCSRF             = "urn:grpccontroller:problem:csrf"
	TypeTOTPRequired     = "urn:grpccontroller:problem:totp-required"
	TypeSetupLink        = "urn:grpccontroller:problem:setup-link"
	TypeLastOwner        = "urn:grpccontroller:problem:last-owner"
	TypePerson           = "urn:grpccontroller:problem:person-state"
	TypeDeclared         = "urn:grpccontroller:problem:declared"
	TypeNoProvider       = "urn:grpccontroller:problem:no-identity-provider"
	TypeWrongHost        = "urn:grpccontroller:problem:wrong-host"
	TypeStepUpRequired   = "urn:grpccontroller:problem:step-up-required"
	TypeNotFound         = "urn:grpccontroller:problem:not-found"
	TypeMethodNotAllowed = "urn:grpccontroller:problem:method-not-allowed"
	TypeLiveMember       = "urn:grpccontroller:problem:live-member"
	TypeTooManyStreams   = "urn:grpccontroller:problem:too-many-streams"
	TypeKeyReused        = "urn:grpccontroller:problem:idempotency-key-reused"
	TypeInterrupted      = "urn:grpccontroller:problem:idempotency-interrupted"
	TypeReplayed         = "urn:grpccontroller:problem:idempotency-replayed"
	TypeTooLarge         = "urn:grpccontroller:problem:too-large"
	TypeMediaType        = "urn:grpccontroller:problem:media-type"
	TypeTooManyFailures  = "urn:grpccontroller:problem:too-many-failures"
	TypeTimeout          = "urn:grpccontroller:problem:timeout"
	TypeRotation         = "urn:grpccontroller:problem:rotation-state"
	TypeUpstream         = "urn:grpccontroller:problem:upstream-authority"
	TypeRequestDecided   = "urn:grpccontroller:problem:request-decided"
	TypeFingerprint      = "urn:grpccontroller:problem:fingerprint-mismatch"
	TypeClaimRefused     = "urn:grpccontroller:problem:claim-refused"
	TypeInternal         = "urn:grpccontroller:problem:internal"
)
