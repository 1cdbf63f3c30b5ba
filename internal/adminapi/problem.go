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
}

// Types of problems.
const (
	TypeInvalidRequest   = "urn:grpccontroller:problem:invalid-request"
	TypeUnauthenticated  = "urn:grpccontroller:problem:unauthenticated"
	TypeForbidden        = "urn:grpccontroller:problem:forbidden"
	TypeStepUpRequired   = "urn:grpccontroller:problem:step-up-required"
	TypeNotFound         = "urn:grpccontroller:problem:not-found"
	TypeMethodNotAllowed = "urn:grpccontroller:problem:method-not-allowed"
	TypeLiveMember       = "urn:grpccontroller:problem:live-member"
	TypeTooLarge         = "urn:grpccontroller:problem:too-large"
	TypeMediaType        = "urn:grpccontroller:problem:media-type"
	TypeTooManyFailures  = "urn:grpccontroller:problem:too-many-failures"
	TypeTimeout          = "urn:grpccontroller:problem:timeout"
	TypeRotation         = "urn:grpccontroller:problem:rotation-state"
	TypeUpstream         = "urn:grpccontroller:problem:upstream-authority"
	TypeInternal         = "urn:grpccontroller:problem:internal"
)
