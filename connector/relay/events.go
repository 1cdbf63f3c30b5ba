package relay

import (
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
)

// Events are called with what happens, for metrics. Each is optional and must
// not block.
type Events struct {
	// SessionRefused gets one of RefusalReasons.
	SessionRefused func(reason string)
	// SessionEnded gets one of EndReasons, after a session that was admitted.
	SessionEnded func(reason string)
	// ControlEnded gets one of controlclient.Reasons.
	ControlEnded func(reason string)
	// AuditJudged is called with each judgement of the controller's audit log: nil when it
	// was good.
	AuditJudged func(error)
}

// Status is the state of a connector at a moment.
type Status struct {
	Sessions       int // attached tunnelers
	ControlUp      bool
	PolicyRevision uint64
	// PolicyConfirmed is when a controller last confirmed the policy, PolicyAge how
	// long it is used without one, PolicyUntil when that ends if none comes back.
	PolicyConfirmed, PolicyUntil time.Time
	PolicyAge                    time.Duration
	// Control is the state of the control stream; Heartbeat is when one was sent last.
	Control   controlclient.Status
	Heartbeat time.Time
	// Re-proofs on the connection to the controller, and on those of tunnelers.
	ControlReproofs, SessionReproofs reproof.Status
	// Timeline that is followed; TimelineStopped says that two statements began it.
	Timeline        uint64
	TimelineStopped bool
	// AuditRefused says that the controller's audit log is not the one that was
	// witnessed; AuditWitnessed is how many records were.
	AuditRefused   bool
	AuditWitnessed uint64
}

// Status may be called at any time.
func (r *Relay) Status() Status {
	control := r.control.Status()
	out := Status{
		Sessions: r.sessions.count(), ControlUp: control.Connected, Control: control, Heartbeat: r.lastHeartbeat(),
		PolicyRevision: r.policy.revision(), PolicyConfirmed: r.policy.lastConfirmed(), ControlReproofs: r.prover.Status(),
		AuditRefused: r.witness.ready() != nil, AuditWitnessed: r.witness.size(),
		Timeline: r.timeline.Kept().Number, TimelineStopped: r.timeline.Stopped() != nil,
	}
	out.PolicyAge, out.PolicyUntil = r.policy.age()
	if proofs := r.proofs.Load(); proofs != nil {
		out.SessionReproofs = proofs.Status()
	}
	return out
}

// Why a session was refused, and why one ended.
const (
	noPolicy = "no_policy" // also: it became too old, or the connector is stopped
	notNamed = "not_named"

	closed   = "closed" // by the tunneler
	revoked  = "revoked"
	replaced = "replaced"
	stopping = "stopping"
	idle     = "idle"
	protocol = "protocol" // the tunneler said what it must not
	unproven = "reproof"
	lost     = "lost" // the connection broke
	other    = "other"
)

// RefusalReasons lists what Events.SessionRefused can get.
func RefusalReasons() []string { return []string{noPolicy, notNamed} }

// EndReasons lists what Events.SessionEnded can get.
func EndReasons() []string {
	return []string{closed, revoked, noPolicy, replaced, stopping, idle, protocol, unproven, lost, other}
}

func (e Events) refused(err error) {
	if e.SessionRefused == nil {
		return
	}
	if errors.Is(err, errNotNamed) {
		e.SessionRefused(notNamed)
		return
	}
	e.SessionRefused(noPolicy)
}

// ended has the error of the stream and, where we cut the connection, the reason
// of that, which the stream does not know.
func (e Events) ended(err, cut error) {
	if e.SessionEnded != nil {
		e.SessionEnded(endReason(err, cut))
	}
}

func endReason(err, cut error) string {
	is := func(targets ...error) bool {
		return slices.ContainsFunc(targets, func(t error) bool { return errors.Is(err, t) || errors.Is(cut, t) })
	}
	switch {
	case is(reproof.Faults()...):
		return unproven
	case is(errNotNamed, statusRevoked):
		return revoked
	case is(errNoPolicy, errPolicyOld, statusNoPolicy, statusPolicyOld):
		return noPolicy
	case is(statusReplaced):
		return replaced
	case is(statusStopping):
		return stopping
	case is(statusIdle):
		return idle
	case err == nil:
		return closed
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.ResourceExhausted, codes.PermissionDenied:
		return protocol
	case codes.Canceled, codes.Unavailable:
		return lost
	case codes.Unknown: // the context of a stream whose connection is gone
		return lost
	default:
		return other
	}
}
