package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// MarkRestored notes that this database is of an earlier time than its fleet; see
// policy.Recall.
func (s *Store) MarkRestored(ctx context.Context, at time.Time) error {
	return s.tx(ctx, func(t *Tx) error { return t.MarkRestored(ctx, at) })
}

// MarkRestored implements recovery.Tx.
func (t *Tx) MarkRestored(ctx context.Context, at time.Time) error {
	_, err := t.sql.ExecContext(ctx, `INSERT INTO meta (name, value) VALUES ('restored_at', ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, micros(at))
	return err
}

// RestoredAt is the time of MarkRestored, and zero without one or after EndRecall.
func (s *Store) RestoredAt(ctx context.Context) (time.Time, error) {
	var at int64
	err := s.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'restored_at'`).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return moment(at), err
}

// VoidTokens revokes the enrollment tokens that can still be redeemed: whoever had one,
// was enrolled with it after the backup and revoked then would come back by it. by has
// actor, reason and source of the audit events.
func (s *Store) VoidTokens(ctx context.Context, by audit.Event, now time.Time) (n int, err error) {
	err = s.tx(ctx, func(t *Tx) (err error) {
		n, err = t.VoidTokens(ctx, by, now)
		return err
	})
	return n, err
}

// VoidTokens implements recovery.Tx.
func (t *Tx) VoidTokens(ctx context.Context, by audit.Event, now time.Time) (n int, err error) {
	ids, err := collect(ctx, t.sql, scanID, `SELECT id FROM tokens WHERE expires_at > ? AND claimed_at = 0 AND revoked_at = 0`, micros(now))
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		tok, err := t.TokenByID(ctx, id)
		if err != nil {
			return 0, err
		}
		tok.RevokedAt = now
		if err := errors.Join(t.UpdateToken(ctx, tok), t.EraseClaim(ctx, id)); err != nil {
			return 0, err
		}
		e := by
		e.Time, e.Action, e.Target, e.Outcome = now, audit.TokenRevoke, "token/"+id, audit.Success
		if err := t.AppendAudit(ctx, e); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

// EndRecall removes the mark and records why.
func (s *Store) EndRecall(ctx context.Context, e audit.Event) error {
	return s.tx(ctx, func(t *Tx) error {
		if _, err := t.sql.ExecContext(ctx, `DELETE FROM meta WHERE name = 'restored_at'`); err != nil {
			return err
		}
		return t.AppendAudit(ctx, e)
	})
}
