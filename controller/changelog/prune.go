package changelog

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

const (
	// Kept is how many changes the log keeps: far more than a follower that lives can
	// be behind, and little on disk.
	Kept = 100_000
	// pruneEvery is how often the older ones are deleted.
	pruneEvery = 10 * time.Minute
)

// Pruner keeps the log short.
type Pruner struct {
	Store interface {
		// PruneChanges deletes all but the newest changes.
		PruneChanges(ctx context.Context, keep uint64) error
	}
	Logger *zap.Logger
}

// Run prunes until ctx ends.
func (p *Pruner) Run(ctx context.Context) error {
	t := time.NewTicker(pruneEvery)
	defer t.Stop()
	var failing logging.Condition
	for {
		if err := p.Store.PruneChanges(ctx, Kept); err == nil {
			failing.Over(p.Logger, "change log is pruned again")
		} else if ctx.Err() == nil {
			failing.Fails(p.Logger, zap.WarnLevel, "change log not pruned, retrying", err)
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil
		}
	}
}
