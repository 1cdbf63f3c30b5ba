package control

import (
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/recovery"
)

// Recovery says in which timeline this controller is and how hosts can know;
// recovery.Keeper is it.
type Recovery interface {
	// Say returns the same pointer until there is something else to say, and Notify wakes
	// when there is.
	Say() *recovery.Said
	Signal
}

// saying sends on a stream what Recovery says, once and when that is something else.
type saying struct {
	from Recovery // nil: nothing is said
	send func(*zerotrustv1.Timeline) error
	last *recovery.Said
}

// news sends what was not sent on the stream yet.
func (s *saying) news() (said bool, err error) {
	if s.from == nil {
		return false, nil
	}
	now := s.from.Say()
	if now == s.last {
		return false, nil
	}
	s.last = now
	if m := timelineToProto(now); m != nil {
		err = s.send(m)
	}
	return true, err
}

// timelineToProto is nil for a controller that has nothing to prove itself with.
func timelineToProto(s *recovery.Said) *zerotrustv1.Timeline {
	if s.RecoveryKey == "" && s.Timeline.Statement == "" {
		return nil
	}
	return &zerotrustv1.Timeline{
		RecoveryKey: s.RecoveryKey, Statement: []byte(s.Timeline.Statement),
		OldCheckpoint: []byte(s.Timeline.OldCheckpoint), OldVerifierKey: s.Timeline.OldVerifierKey,
	}
}

// firstTimeline is what a host receives when it is enrolled.
func firstTimeline(from Recovery) *zerotrustv1.Timeline {
	if from == nil {
		return nil
	}
	return timelineToProto(from.Say())
}
