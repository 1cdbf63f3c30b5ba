package store

import (
	"context"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// Deny implements fleet.Tx. A denial that is over goes with the next one.
func (t *Tx) Deny(ctx context.Context, d fleet.Denial, now time.Time) error {
	if _, err := t.sql.ExecContext(ctx, `DELETE FROM denials WHERE svid_not_before < ?`, micros(now.Add(-fleet.DenialLife))); err != nil {
		return err
	}
	var later bool
	err := t.sql.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM denials WHERE kind = ? AND workload = ? AND svid_not_before >= ?)`,
		string(d.Workload.Kind), d.Workload.ID, micros(d.SVIDNotBefore)).Scan(&later)
	if err != nil || later {
		return err
	}
	if _, err := t.sql.ExecContext(ctx, `DELETE FROM denials WHERE kind = ? AND workload = ?`, string(d.Workload.Kind), d.Workload.ID); err != nil {
		return err
	}
	_, err = t.sql.ExecContext(ctx, `INSERT INTO denials (kind, workload, svid_not_before) VALUES (?, ?, ?)`,
		string(d.Workload.Kind), d.Workload.ID, micros(d.SVIDNotBefore))
	return err
}

// Denials implements policy.Store.
func (s *Store) Denials(ctx context.Context, after uint64, since time.Time) ([]fleet.Denial, error) {
	return collect(ctx, s.db, func(row scanner) (fleet.Denial, error) {
		var d fleet.Denial
		var before int64
		err := row.Scan(&d.Seq, &d.Workload.Kind, &d.Workload.ID, &before)
		d.SVIDNotBefore = moment(before)
		return d, err
	}, `SELECT seq, kind, workload, svid_not_before FROM denials WHERE seq > ? AND svid_not_before > ? ORDER BY seq`, after, micros(since))
}
