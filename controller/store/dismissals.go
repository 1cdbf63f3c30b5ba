package store

import (
	"context"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/attention"
)

// Dismissals implements attention.Store.
func (s *Store) Dismissals(ctx context.Context) (map[string]bool, error) {
	ids, err := collect(ctx, s.db, scanID, `SELECT id FROM dismissals`)
	if err != nil {
		return nil, err
	}
	out := make(map[string]bool, len(ids))
	for _, id := range ids {
		out[id] = true
	}
	return out, nil
}

// AttentionTx implements attention.Store.
func (s *Store) AttentionTx(ctx context.Context, fn func(attention.Tx) error) error {
	return s.tx(ctx, func(t *Tx) error { return fn(t) })
}

// Dismiss implements attention.Tx.
func (t *Tx) Dismiss(ctx context.Context, id string, at time.Time) (bool, error) {
	res, err := t.sql.ExecContext(ctx, `INSERT INTO dismissals (id, dismissed_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING`, id, micros(at))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// KeepDismissals implements attention.Tx.
func (t *Tx) KeepDismissals(ctx context.Context, most int) error {
	_, err := t.sql.ExecContext(ctx, `DELETE FROM dismissals WHERE id NOT IN (SELECT id FROM dismissals ORDER BY dismissed_at DESC, id LIMIT ?)`, most)
	return err
}
