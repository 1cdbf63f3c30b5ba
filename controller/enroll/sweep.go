package enroll

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

const (
	sweepEvery = time.Minute
	pruneEvery = time.Hour
	// keepEnded is how long a token that ended is listed.
	keepEnded = 90 * 24 * time.Hour
)

// Run forgets what has expired, until ctx ends: sealed tokens of claim links, old
// requests and, once an hour, old tokens. It decides nothing; what has expired is
// refused before it is swept.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var failing logging.Condition
	var pruned time.Time
	for {
		err := s.Sweep(ctx)
		if now := s.cfg.Now(); err == nil && now.Sub(pruned) >= pruneEvery {
			if err = s.Prune(ctx); err == nil {
				pruned = now
			}
		}
		switch {
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

// SweepTx forgets what has ended.
type SweepTx interface {
	// PruneTokens deletes the tokens, and their claim links, that expired before and
	// were not claimed by a host that is still enrolled, or was until then.
	PruneTokens(ctx context.Context, ended time.Time) error
	// PurgeRequests forgets those that expired or were withdrawn, and those that an
	// operator decided, before.
	PurgeRequests(ctx context.Context, expired, decided time.Time) error
	// PurgeClaims erases those whose token expired at the time now or before.
	PurgeClaims(ctx context.Context, now time.Time) error
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

// Prune forgets tokens that ended long ago. That of an enrolled host stays: when
// another key tries it, the host is contested.
func (s *Service) Prune(ctx context.Context) error {
	ended := s.cfg.Now().UTC().Add(-keepEnded)
	return s.cfg.Store.EnrollTx(ctx, func(tx Tx) error { return tx.PruneTokens(ctx, ended) })
}
