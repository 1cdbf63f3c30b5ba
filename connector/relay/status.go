package relay

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Why the policy refuses.
var (
	errNoPolicy  = errors.New("no current policy: no controller has sent one yet")
	errPolicyOld = errors.New("no current policy: no controller has confirmed the last one for too long")
	errNotNamed  = errors.New("the policy does not name this tunneler")
)

// errMisbehaved is what the audit log says of a session that was cut for what the
// tunneler sent on it.
var errMisbehaved = errors.New("the tunneler broke the session protocol")

// What a session ends with, as the tunneler sees it.
var (
	statusNoPolicy  = status.Error(codes.Unavailable, "the connector has no current policy: no controller has sent one yet")
	statusPolicyOld = status.Error(codes.Unavailable, "the connector has no current policy: no controller has confirmed the last one for too long")
	statusNotNamed  = status.Error(codes.PermissionDenied, "the connector's policy does not name this tunneler")
	statusRevoked   = status.Error(codes.PermissionDenied, "revoked")
	statusReplaced  = status.Error(codes.Aborted, "replaced by a newer session of this tunneler")
	statusStopped   = status.Error(codes.Unavailable, errStopped.Error())
	statusStopping  = status.Error(codes.Unavailable, "the connector is stopping")
	statusIdle      = status.Error(codes.DeadlineExceeded, "no heartbeat in time")
	statusWrongID   = status.Error(codes.PermissionDenied, "tunneler_id is not the id in the caller's SVID")
	statusEmpty     = status.Error(codes.InvalidArgument, "the first message of a session must be a heartbeat")
	statusFlood     = status.Error(codes.ResourceExhausted, "too many messages")
	statusNoCaller  = status.Error(codes.Internal, "the connection has no authenticated caller")
)

// disordered is what a tunneler gets that numbers its messages wrongly.
func disordered(err error) error {
	return status.Error(codes.InvalidArgument, fmt.Sprintf("session out of sequence: %v", err))
}

// unspeakable is what a tunneler gets whose heartbeat nobody would take.
func unspeakable(err error) error {
	return status.Error(codes.InvalidArgument, "heartbeat: "+err.Error())
}

// refusal is what the caller of a new session sees.
func refusal(err error) error {
	if errors.Is(err, errNotNamed) {
		return statusNotNamed
	}
	return unusable(err)
}

// cut is what a running session sees when the policy no longer admits it.
func cut(err error) error {
	if errors.Is(err, errNotNamed) {
		return statusRevoked
	}
	return unusable(err)
}

func unusable(err error) error {
	switch {
	case errors.Is(err, errPolicyOld):
		return statusPolicyOld
	case errors.Is(err, errStopped):
		return statusStopped
	}
	return statusNoPolicy
}
