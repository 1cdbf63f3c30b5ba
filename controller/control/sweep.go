package control

import (
	"context"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

const (
	// maxConnections is how many connections one connector or tunneler may have open:
	// one, and room for those of it that died and were not noticed yet.
	maxConnections = 64
	// lastWords is how long the status that a handler ends its stream with has to
	// reach a peer that reads, before its connection is closed.
	lastWords = 20 * time.Millisecond
)

// sweep cuts the connections of whom a new snapshot does not name, until ctx ends.
// Handlers see the same snapshot and end their streams with a status; a handler
// that is stuck in a Send to a peer that reads nothing does not, and its socket is
// closed all the same.
func sweep(ctx context.Context, policy Snapshots, conns *mtls.Conns, words time.Duration) {
	changed, unsubscribe := policy.Subscribe()
	defer unsubscribe()
	for {
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
		snapshot := policy.Current()
		conns.CloseMatching(words, func(c *mtls.Conn) error {
			w, err := identity.ParseWorkload(c.Peer())
			if err != nil || !snapshot.Admits(w, c.OpenedWith().Issue) {
				return fleet.ErrRevoked
			}
			return nil
		})
	}
}
