package enroll

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// Limits of requests. Anybody who reaches the listener can ask, so what is kept
// for them is bounded.
const (
	RequestTTL     = 15 * time.Minute // to be decided
	MaxPending     = 1000
	maxPendingFrom = 5 // of one address, or one IPv6 /64
	// maxMismatches wrong fingerprints deny a request: the last group has 20 bits,
	// which nobody may try out.
	maxMismatches = 3

	keepExpired = time.Hour
	keepDecided = 30 * 24 * time.Hour
)

// Errors of requests.
var (
	ErrRequestNotFound = errors.New("no such enrollment request")
	// ErrRequestDecided refuses a second decision.
	ErrRequestDecided = errors.New("this enrollment request is not pending any more")
	// ErrFingerprint refuses an approval by somebody who did not look at the host.
	ErrFingerprint = errors.New("this is not the fingerprint of the request: read it from the host's own screen; if the two screens differ, deny the request")
	// ErrTooManyRequests is the answer to a host while too many wait.
	ErrTooManyRequests = errors.New("too many enrollment requests are pending; wait until some are decided or expire")
	// ErrProof is the answer to a host that signed for another listener than ours.
	ErrProof = errors.New("the request is not signed for this listener's certificate: somebody may be between host and controller")
	// ErrRequestDenied, ErrRequestExpired and ErrRequestTaken are answers to the
	// host that waits.
	ErrRequestDenied  = errors.New("an operator denied this enrollment request")
	ErrRequestExpired = errors.New("this enrollment request was not decided in time")
	ErrRequestTaken   = errors.New("the same host waits on another connection now")
)

// RequestTx keeps the requests of hosts without a token.
type RequestTx interface {
	// RequestByID and RequestByKey return ErrRequestNotFound; the latter finds the
	// newest of this key.
	RequestByID(ctx context.Context, id string) (Request, error)
	RequestByKey(ctx context.Context, keyHash []byte) (Request, error)
	// PendingRequests counts what is pending at the time now, all and of one net. What
	// was withdrawn and would be pending otherwise counts too: asking for something
	// else again and again is no way around the cap.
	PendingRequests(ctx context.Context, now time.Time, net string) (total, fromNet int, err error)
	InsertRequest(ctx context.Context, r Request) error
	// UpdateRequest writes the decision of r and its mismatches.
	UpdateRequest(ctx context.Context, r Request) error
}

// Decision on a request; it is empty until then.
type Decision string

// Decisions.
const (
	Approved  Decision = "approved"
	Denied    Decision = "denied"
	Withdrawn Decision = "withdrawn" // by the host, which asks for something else now
)

// RequestState is where a request is in its life.
type RequestState string

// States of a request, beside those of Decision.
const (
	RequestPending  RequestState = "pending"
	RequestExpired  RequestState = "expired"
	RequestEnrolled RequestState = "enrolled" // approved, and the host has fetched it
)

// Request is a host that asks to be enrolled without a token.
type Request struct {
	ID string // "req_" and 32 hexadecimal digits
	// Code is how people find it on the other screen. It authorizes nothing.
	Code      string
	Workload  identity.Workload
	Facts     Facts
	Ephemeral bool
	CSR       []byte // PKCS#10, DER
	// HostCertificate is that of a host which asks for another role, DER, or empty.
	HostCertificate []byte
	KeyHash         []byte
	Fingerprint     string
	Mismatches      int    // approvals with a wrong fingerprint
	Source          string // address that asked
	Net             string // Source, or its /64, for the cap
	CreatedAt       time.Time
	ExpiresAt       time.Time
	Decision        Decision
	DecidedAt       time.Time
	DecidedBy       string
	// TokenID is the token that an approval made for this key.
	TokenID string
	// CollectedAt and HostID are read from that token.
	CollectedAt time.Time
	HostID      identity.HostID
}

// State at the time now.
func (r Request) State(now time.Time) RequestState {
	switch {
	case !r.CollectedAt.IsZero():
		return RequestEnrolled
	case r.Decision != "":
		return RequestState(r.Decision)
	case !now.Before(r.ExpiresAt):
		return RequestExpired
	default:
		return RequestPending
	}
}

// same says whether asking again for r would be the same request.
func (r Request) same(o Request) bool {
	return r.Workload == o.Workload && r.Facts == o.Facts && r.Ephemeral == o.Ephemeral && r.Fingerprint == o.Fingerprint
}

func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("req_%x", b)
}

// codeAlphabet has no vowels, so that no code is a word, and nothing that looks
// like something else (RFC 8628, section 6.1).
const codeAlphabet = "BCDFGHJKLMNPQRSTVWXZ"

// newCode draws XXXX-XXXX: 34 bits, to distinguish a thousand requests.
func newCode() string {
	var out []byte
	for len(out) < 8 {
		var b [1]byte
		_, _ = rand.Read(b[:])
		if int(b[0]) < 256-256%len(codeAlphabet) { // each letter as likely as the others
			out = append(out, codeAlphabet[int(b[0])%len(codeAlphabet)])
		}
	}
	return string(out[:4]) + "-" + string(out[4:])
}

// fingerprintOf is what host and operator compare.
func (s *Service) fingerprintOf(w identity.Workload, key hostKey, listener []byte) keys.Subject {
	return keys.Subject{TrustDomain: s.cfg.TrustDomain.Name(), Workload: w, Key: key.spki, Listener: listener}
}
