package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// KeepTx implements audit.KeeperStore.
func (s *Store) KeepTx(ctx context.Context, epoch int64, fn func(audit.KeeperTx) error) error {
	return s.sequencerTx(ctx, epoch, func(t *Tx) error { return fn(t) })
}

// LastAnchored implements audit.KeeperStore.
func (s *Store) LastAnchored(ctx context.Context) (seq int64, err error) {
	seq, _, err = lastAnchored(ctx, s.db)
	return seq, err
}

// LastAnchored implements audit.KeeperTx.
func (t *Tx) LastAnchored(ctx context.Context) (seq int64, err error) {
	seq, _, err = lastAnchored(ctx, t.sql)
	return seq, err
}

// PutAnchor implements audit.KeeperTx.
func (t *Tx) PutAnchor(ctx context.Context, a audit.Anchor, from, to time.Time) error {
	_, err := t.sql.ExecContext(ctx, `INSERT INTO svid_anchors (first_seq, last_seq, first_at, last_at) VALUES (?, ?, ?, ?)`,
		a.First, a.Last, from.UnixMilli(), to.UnixMilli())
	return err
}

// prunable is the last renewal before the first anchor that has one of a time or later.
const prunable = `SELECT coalesce((SELECT min(first_seq) FROM svid_anchors WHERE last_at >= ?), (SELECT max(last_seq) + 1 FROM svid_anchors), 1) - 1`

// PrunableRenewals implements audit.KeeperStore.
func (s *Store) PrunableRenewals(ctx context.Context, before time.Time) (seq int64, err error) {
	err = s.db.QueryRowContext(ctx, prunable, before.UnixMilli()).Scan(&seq)
	return seq, err
}

// PruneRenewals implements audit.KeeperStore. The newest anchor stays: it says where the
// next one begins.
func (s *Store) PruneRenewals(ctx context.Context, last int64, limit int) (n int, err error) {
	r, err := s.db.ExecContext(ctx, `DELETE FROM svid_renewals WHERE seq IN (SELECT seq FROM svid_renewals WHERE seq <= ? ORDER BY seq LIMIT ?)`, last, limit)
	if err != nil {
		return 0, err
	}
	gone, err := r.RowsAffected()
	if n = int(gone); err != nil || n == limit {
		return n, err
	}
	_, err = s.db.ExecContext(ctx, `DELETE FROM svid_anchors WHERE last_seq <= ? AND first_seq < (SELECT max(first_seq) FROM svid_anchors)`, last)
	return n, err
}

// Segments implements audit.KeeperStore.
func (s *Store) Segments(ctx context.Context) ([]audit.Segment, error) {
	return collect(ctx, s.db, func(row scanner) (g audit.Segment, err error) {
		var at int64
		err = row.Scan(&g.Number, &g.Bytes, &at)
		g.Newest = moment(at)
		return g, err
	}, `SELECT number, bytes, newest FROM audit_segments ORDER BY number`)
}

// PutSegment implements audit.KeeperStore.
func (s *Store) PutSegment(ctx context.Context, g audit.Segment) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO audit_segments (number, bytes, newest) VALUES (?, ?, ?) ON CONFLICT (number) DO NOTHING`, g.Number, g.Bytes, micros(g.Newest))
	return err
}

// RemoveSegment implements audit.KeeperTx.
func (t *Tx) RemoveSegment(ctx context.Context, n int64, held map[int64]bool) error {
	from, to := n*audit.SegmentSize, (n+1)*audit.SegmentSize
	// The hashes of a segment stand before its root, which stands before those above it.
	at, end := tlog.StoredHashIndex(0, from), audit.SegmentRootAt(n)
	for _, keep := range append(slices.Sorted(maps.Keys(held)), end) {
		if _, err := t.sql.ExecContext(ctx, `DELETE FROM audit_hashes WHERE position >= ? AND position < ?`, at, min(keep, end)); err != nil {
			return err
		}
		at = max(at, keep+1)
	}
	for _, q := range []struct {
		query string
		args  []any
	}{
		{`DELETE FROM audit WHERE idx >= ? AND idx < ?`, []any{from, to}},
		{`DELETE FROM audit_checkpoints WHERE size > ? AND size <= ?`, []any{from, to}},
		{`DELETE FROM audit_segments WHERE number = ?`, []any{n}},
	} {
		if _, err := t.sql.ExecContext(ctx, q.query, q.args...); err != nil {
			return err
		}
	}
	return nil
}

// AuditMark implements audit.CheckStore.
func (s *Store) AuditMark(ctx context.Context) (mark string, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT mark FROM audit_verified WHERE id = 1`).Scan(&mark)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return mark, err
}

// PutAuditMark implements audit.CheckStore.
func (s *Store) PutAuditMark(ctx context.Context, mark string) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO audit_verified (id, mark) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET mark = excluded.mark`, mark)
	return err
}
