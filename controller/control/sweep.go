package control

import (
	"context"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
)

const (
	// maxConnections is how many connections one connector or tunneler may have open:
	// one, and room for those of it that died and were not noticed yet.
	maxConnections = 64
	// lastWords is how long the status that a handler ends its stream with has to
	// reach a peer that reads, before its connection is closed.
	lastWords = 20 * time.Millisecond
	// firstWords is how long somebody who is not named has to ask, and to get that answer, before
	// the new connection is closed.
	firstWords = 2 * time.Second
)

// sweeper closes the connections of whom the policy does not name.
type sweeper struct {
	policy Snapshots
	conns  *mtls.Conns
	words  time.Duration // lastWords

	seen *policy.Snapshot // the last one that everybody who was here was judged by
}

// newcomers is an mtls.Opened, for after the connection was added. Its peer may have been
// taken away while it was on its way here, and a change looks only at who is here.
func (s *sweeper) newcomers() mtls.Opened {
	return mtls.Newcomers(firstWords, func(c *mtls.Conn) error { return judge(s.policy.Current(), c) })
}

// run cuts the connections of whom a new snapshot does not name, until ctx ends.
// Handlers see the same snapshot and end their streams with a status; a handler
// that is stuck in a Send to a peer that reads nothing does not, and its socket is
// closed all the same.
func (s *sweeper) run(ctx context.Context) {
	changed := topic.NewHint()
	defer s.policy.Notify(changed)()
	for {
		select {
		case <-changed:
			s.sweep()
		case <-ctx.Done():
			return
		}
	}
}

// sweep looks at whom the policy changed since the last time. Where that is not known,
// and when the same policy is issued anew, as it is every ten minutes, it looks at all.
func (s *sweeper) sweep() {
	now := s.policy.Current()
	of := func(c *mtls.Conn) error { return judge(now, c) }
	var ids []spiffeid.ID
	known := false
	if s.seen != nil {
		ids, known = now.Changed(s.seen)
	}
	s.seen = now
	if known {
		s.conns.CloseMatchingOf(ids, s.words, of)
	} else {
		s.conns.CloseMatching(s.words, of)
	}
}

// judge says why a connection is not to stay.
func judge(s *policy.Snapshot, c *mtls.Conn) error {
	w, err := identity.ParseWorkload(c.Peer())
	if err != nil || !s.Admits(w, c.OpenedWith().Issue) {
		return fleet.ErrRevoked
	}
	return nil
}
