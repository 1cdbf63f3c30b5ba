package app

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

const (
	pruneEvery = time.Hour
	// keepWitness is how long the page of the audit log shows what a connector said of
	// it that was revoked.
	keepWitness = 90 * 24 * time.Hour
)

// pruneWitnesses forgets what connectors said of the audit log that were revoked long
// ago, until ctx ends.
func (c *core) pruneWitnesses(ctx context.Context) error {
	t := time.NewTicker(pruneEvery)
	defer t.Stop()
	var failing logging.Condition
	for {
		if err := c.store.PruneWitnesses(ctx, time.Now().Add(-keepWitness)); err == nil {
			failing.Over(c.log, "")
		} else if ctx.Err() == nil {
			failing.Fails(c.log, zap.WarnLevel, "witnesses of revoked connectors not pruned, retrying", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}
