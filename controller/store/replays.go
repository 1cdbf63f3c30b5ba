package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/replay"
)

// BeginRequest implements replay.Store.
func (s *Store) BeginRequest(ctx context.Context, r replay.Request, expired time.Time) (found *replay.Record, err error) {
	err = s.tx(ctx, func(t *Tx) error {
		if _, err := t.sql.ExecContext(ctx, `DELETE FROM idempotency WHERE started_at <= ?`, micros(expired)); err != nil {
			return err
		}
		var out replay.Record
		var started int64
		err := t.sql.QueryRowContext(ctx, `SELECT fingerprint, started_at, status, body, resource FROM idempotency WHERE actor = ? AND key = ?`,
			r.Actor, r.Key).Scan(&out.Fingerprint, &started, &out.Status, &out.Body, &out.Resource)
		switch {
		case err == nil:
			out.Actor, out.Key, out.StartedAt = r.Actor, r.Key, moment(started)
			found = &out
			return nil
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		_, err = t.sql.ExecContext(ctx, `INSERT INTO idempotency (actor, key, fingerprint, started_at, status, body, resource)
			VALUES (?, ?, ?, ?, 0, x'', '')`, r.Actor, r.Key, r.Fingerprint, micros(r.StartedAt))
		return err
	})
	return found, err
}

// FinishRequest implements replay.Store.
func (s *Store) FinishRequest(ctx context.Context, r replay.Record) error {
	_, err := s.db.ExecContext(ctx, `UPDATE idempotency SET status = ?, body = ?, resource = ? WHERE actor = ? AND key = ?`,
		r.Status, nonNil(r.Body), r.Resource, r.Actor, r.Key)
	return err
}

// ForgetRequest implements replay.Store.
func (s *Store) ForgetRequest(ctx context.Context, actor, key string) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM idempotency WHERE actor = ? AND key = ? AND status = 0`, actor, key)
	return err
}
