package enroll

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

const sweepEvery = time.Minute

// Run forgets what has expired, until ctx ends: sealed tokens of claim links, and
// old requests. It decides nothing; what has expired is refused before it is swept.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var failing logging.Condition
	for {
		switch err := s.Sweep(ctx); {
		case ctx.Err() != nil:
		case err != nil:
			failing.Fails(s.cfg.Log, zap.WarnLevel, "expired enrollment secrets were not erased; trying again", err)
		default:
			failing.Over(s.cfg.Log, "")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// Sweep does it once.
func (s *Service) Sweep(ctx context.Context) error {
	now := s.cfg.Now().UTC()
	return s.cfg.Store.EnrollTx(ctx, func(tx Tx) error {
		if err := tx.PurgeClaims(ctx, now); err != nil {
			return err
		}
		return tx.PurgeRequests(ctx, now.Add(-keepExpired), now.Add(-keepDecided))
	})
}
