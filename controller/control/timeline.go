package control

import (
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/recovery"
)

// Recovery says in which timeline this controller is and how hosts can know;
// recovery.Keeper is it.
type Recovery interface {
	// Say returns a channel that is closed when there is something else to say.
	Say() (recovery.Said, <-chan struct{})
}

// saying tells a stream what Recovery says, once and when it changes.
type saying struct {
	from    Recovery // nil: nothing is said
	send    func(*zerotrustv1.Timeline) error
	changed <-chan struct{}
}

// say is called at the begin, and when changed is closed.
func (s *saying) say() error {
	if s.from == nil {
		return nil
	}
	var said recovery.Said
	said, s.changed = s.from.Say()
	if m := timelineToProto(said); m != nil {
		return s.send(m)
	}
	return nil
}

// timelineToProto is nil for a controller that has nothing to prove itself with.
func timelineToProto(s recovery.Said) *zerotrustv1.Timeline {
	if s.RecoveryKey == "" && s.Timeline.Statement == "" {
		return nil
	}
	return &zerotrustv1.Timeline{
		RecoveryKey: s.RecoveryKey, Statement: []byte(s.Timeline.Statement),
		OldCheckpoint: []byte(s.Timeline.OldCheckpoint), OldVerifierKey: s.Timeline.OldVerifierKey,
	}
}

// firstTimeline is what a host hears when it is enrolled.
func firstTimeline(from Recovery) *zerotrustv1.Timeline {
	if from == nil {
		return nil
	}
	said, _ := from.Say()
	return timelineToProto(said)
}
