package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/recovery"
)

// RecoveryTx implements recovery.Store.
func (s *Store) RecoveryTx(ctx context.Context, fn func(recovery.Tx) error) error {
	return s.tx(ctx, func(t *Tx) error { return fn(t) })
}

// RecoveryKey implements recovery.Store.
func (s *Store) RecoveryKey(ctx context.Context) (recovery.Key, error) { return recoveryKey(ctx, s.db) }

// RecoveryKey implements recovery.Tx.
func (t *Tx) RecoveryKey(ctx context.Context) (recovery.Key, error) { return recoveryKey(ctx, t.sql) }

// Timeline implements recovery.Store.
func (s *Store) Timeline(ctx context.Context) (recovery.Timeline, error) {
	return newestTimeline(ctx, s.db)
}

// Timeline implements recovery.Tx.
func (t *Tx) Timeline(ctx context.Context) (recovery.Timeline, error) {
	return newestTimeline(ctx, t.sql)
}

func recoveryKey(ctx context.Context, q querier) (recovery.Key, error) {
	var k recovery.Key
	var at int64
	err := q.QueryRowContext(ctx, `SELECT public_key, created_at, created_by FROM recovery_keys`).Scan(&k.Public, &at, &k.CreatedBy)
	if errors.Is(err, sql.ErrNoRows) {
		return recovery.Key{}, nil
	}
	k.CreatedAt = moment(at)
	return k, err
}

func newestTimeline(ctx context.Context, q querier) (recovery.Timeline, error) {
	var out recovery.Timeline
	var at int64
	err := q.QueryRowContext(ctx, `SELECT number, statement, old_verifier_key, old_checkpoint, begun_at FROM timelines ORDER BY number DESC LIMIT 1`).
		Scan(&out.Number, &out.Statement, &out.OldVerifierKey, &out.OldCheckpoint, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return recovery.Timeline{}, nil
	}
	out.BegunAt = moment(at)
	return out, err
}

// PutRecoveryKey implements recovery.Tx.
func (t *Tx) PutRecoveryKey(ctx context.Context, k recovery.Key) error {
	_, err := t.sql.ExecContext(ctx, `INSERT INTO recovery_keys (id, public_key, created_at, created_by) VALUES (1, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET public_key = excluded.public_key, created_at = excluded.created_at, created_by = excluded.created_by`,
		k.Public, micros(k.CreatedAt), k.CreatedBy)
	t.changed(changelog.Recovery, "", changelog.Changed)
	return err
}

// PutTimeline implements recovery.Tx.
func (t *Tx) PutTimeline(ctx context.Context, now recovery.Timeline) error {
	_, err := t.sql.ExecContext(ctx, `INSERT INTO timelines (number, statement, old_verifier_key, old_checkpoint, begun_at) VALUES (?, ?, ?, ?, ?)`,
		int64(now.Number), now.Statement, now.OldVerifierKey, now.OldCheckpoint, micros(now.BegunAt)) //nolint:gosec // timeline.MaxNumber
	return err
}

// PutStatement implements recovery.Tx.
func (t *Tx) PutStatement(ctx context.Context, number uint64, signed string) error {
	_, err := t.sql.ExecContext(ctx, `UPDATE timelines SET statement = ? WHERE number = ?`, signed, int64(number)) //nolint:gosec // timeline.MaxNumber
	return err
}

// carryTimeline takes the key over where this database is of before it was made, and the
// newest timeline, so that the next one is after it. Both only say what hosts verify.
func (s *Store) carryTimeline(ctx context.Context, from *Store) error {
	key, err := from.RecoveryKey(ctx)
	if err != nil {
		return err
	}
	newest, err := from.Timeline(ctx)
	if err != nil {
		return err
	}
	return s.tx(ctx, func(t *Tx) error {
		mine, err := t.RecoveryKey(ctx)
		if err == nil && mine.Public == "" && key.Public != "" {
			err = t.PutRecoveryKey(ctx, key)
		}
		if err != nil {
			return err
		}
		now, err := t.Timeline(ctx)
		if err == nil && newest.Number > now.Number {
			err = t.PutTimeline(ctx, newest)
		}
		return err
	})
}
