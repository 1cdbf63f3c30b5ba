package controlclient

import (
	"errors"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/reproof"
)

// Why a stream, or an attempt at one, ended. An error's text names addresses and
// serial numbers; these are few enough to count by.
const (
	reasonGoodbye     = "goodbye"     // the peer stops and said when to come back
	reasonUnavailable = "unavailable" // no connection, no handshake, or it broke
	reasonNoAnswer    = "no_answer"   // the stream opened and the peer said nothing
	reasonSilence     = "silence"     // the peer received nothing from us in time
	reasonRefused     = "refused"     // not enrolled, revoked, or not in the policy
	reasonReplaced    = "replaced"    // by a newer stream of ours
	reasonReproof     = "reproof"     // one end did not prove its identity again
	reasonOther       = "other"
)

// Reasons lists what Config.Ended may be called with.
func Reasons() []string {
	return []string{
		reasonGoodbye, reasonUnavailable, reasonNoAnswer, reasonSilence, reasonRefused, reasonReplaced, reasonReproof, reasonOther,
	}
}

func reasonOf(err error) string {
	asked := (*RetryAfter)(nil)
	isReproof := func(sentinel error) bool { return errors.Is(err, sentinel) }
	switch {
	case errors.As(err, &asked):
		return reasonGoodbye
	case errors.Is(err, errNoAnswer):
		return reasonNoAnswer
	case slices.ContainsFunc(reproof.Faults(), isReproof):
		return reasonReproof
	}
	switch status.Code(err) {
	case codes.Unavailable:
		return reasonUnavailable
	case codes.DeadlineExceeded:
		return reasonSilence
	case codes.PermissionDenied, codes.Unauthenticated:
		return reasonRefused
	case codes.Aborted:
		return reasonReplaced
	default:
		return reasonOther
	}
}
