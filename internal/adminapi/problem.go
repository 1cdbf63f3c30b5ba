package adminapi

// ProblemContentType is the media type of every error (RFC 9457).
const ProblemContentType = "application/problem+json"

// Problem is an RFC 9457 problem. Detail is for people and may change; programs look at
// type, status and errors. ProblemTypes describes every type.
type Problem struct {
	Type      string `json:"type" format:"uri"`
	Title     string `json:"title"` // the same for every problem of this type
	Status    int    `json:"status"`
	Detail    string `json:"detail,omitempty"` // of the first of errors, if there are any
	RequestID string `json:"request_id"`
	// Field is the name of the first of errors.
	Field string `json:"field,omitempty"`
	// Errors are all faults of the body, or of the query.
	Errors []Fault `json:"errors,omitempty"`
	// InUseBy are the first things that are still in what was to be deleted.
	InUseBy []string `json:"in_use_by,omitempty"`
	// PolicyTests are the first policy tests that the change would break.
	PolicyTests []BrokenPolicyTest `json:"policy_tests,omitempty"`
	// Error is a code of RFC 6749 section 5.2, of the /oauth paths only.
	Error string `json:"error,omitempty"`
	// Resource is the id of what the request with this Idempotency-Key created.
	Resource string `json:"resource,omitempty"`
}

// Places of a Fault.
const (
	InBody   = "body"
	InQuery  = "query"
	InPath   = "path"
	InHeader = "header"
)

// Fault is what is wrong with one field, parameter or header of a request.
type Fault struct {
	In   string `json:"in" enum:"body,query,path,header"`
	Name string `json:"name"`
	// Pointer is a JSON Pointer (RFC 6901) to the field of the body, as a URI fragment.
	Pointer string `json:"pointer,omitempty"`
	Detail  string `json:"detail"`
}

// TypePrefix begins every type of problem.
const TypePrefix = "urn:grpccontroller:problem:"

// Types of problems.
const (
	TypeInvalidRequest   = "urn:grpccontroller:problem:invalid-request"
	TypeUnauthenticated  = "urn:grpccontroller:problem:unauthenticated"
	TypeTOTPRequired     = "urn:grpccontroller:problem:totp-required"
	TypeForbidden        = "urn:grpccontroller:problem:forbidden"
	TypeStepUpRequired   = "urn:grpccontroller:problem:step-up-required"
	TypeCSRF             = "urn:grpccontroller:problem:csrf"
	TypeSetupLink        = "urn:grpccontroller:problem:setup-link"
	TypeNotFound         = "urn:grpccontroller:problem:not-found"
	TypeClaimRefused     = "urn:grpccontroller:problem:claim-refused"
	TypeNoProvider       = "urn:grpccontroller:problem:no-identity-provider"
	TypeMethodNotAllowed = "urn:grpccontroller:problem:method-not-allowed"
	TypeLiveMember       = "urn:grpccontroller:problem:live-member"
	TypeRequestDecided   = "urn:grpccontroller:problem:request-decided"
	TypeFingerprint      = "urn:grpccontroller:problem:fingerprint-mismatch"
	TypeRotation         = "urn:grpccontroller:problem:rotation-state"
	TypeUpstream         = "urn:grpccontroller:problem:upstream-authority"
	TypeLastOwner        = "urn:grpccontroller:problem:last-owner"
	TypePerson           = "urn:grpccontroller:problem:person-state"
	TypeDeclared         = "urn:grpccontroller:problem:declared"
	TypeInterrupted      = "urn:grpccontroller:problem:idempotency-interrupted"
	TypeReplayed         = "urn:grpccontroller:problem:idempotency-replayed"
	TypeTooLarge         = "urn:grpccontroller:problem:too-large"
	TypeMediaType        = "urn:grpccontroller:problem:media-type"
	TypeWrongHost        = "urn:grpccontroller:problem:wrong-host"
	TypeKeyReused        = "urn:grpccontroller:problem:idempotency-key-reused"
	TypeTooManyFailures  = "urn:grpccontroller:problem:too-many-failures"
	TypeTooManyRequests  = "urn:grpccontroller:problem:too-many-requests"
	TypeTooManyStreams   = "urn:grpccontroller:problem:too-many-streams"
	TypeStale            = "urn:grpccontroller:problem:revision"
	TypeRevoked          = "urn:grpccontroller:problem:revoked"
	TypeExists           = "urn:grpccontroller:problem:exists"
	TypeInUse            = "urn:grpccontroller:problem:in-use"
	TypeLimit            = "urn:grpccontroller:problem:limit"
	TypeSelection        = "urn:grpccontroller:problem:selection"
	TypePolicyTest       = "urn:grpccontroller:problem:policy-tests-broken"
	TypeInternal         = "urn:grpccontroller:problem:internal"
	TypeTimeout          = "urn:grpccontroller:problem:timeout"
)
