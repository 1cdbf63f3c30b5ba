package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// AcquireSequencer implements audit.SequencerStore.
func (s *Store) AcquireSequencer(ctx context.Context, l audit.Lease) (epoch int64, ok bool, err error) {
	done, err := s.db.write(ctx)
	if err != nil {
		return 0, false, err
	}
	defer done()
	err = s.db.QueryRowContext(ctx, `UPDATE audit_sequencer SET epoch = epoch + 1, holder = ?, lease_until = ?
		WHERE id = 1 AND (holder = ? OR lease_until <= ?) RETURNING epoch`,
		l.Holder, micros(l.Until), l.Holder, micros(l.Now)).Scan(&epoch)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return epoch, err == nil, err
}

// RenewSequencer implements audit.SequencerStore.
func (s *Store) RenewSequencer(ctx context.Context, epoch int64, until time.Time) error {
	return fenced(s.db.ExecContext(ctx, `UPDATE audit_sequencer SET lease_until = ? WHERE id = 1 AND epoch = ?`, micros(until), epoch))
}

// fenced turns an update of no row into ErrFenced.
func fenced(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		return audit.ErrFenced
	}
	return err
}

// SequenceTx implements audit.SequencerStore. The write to the sequencer's row
// comes first and locks it: whoever takes over waits until this batch has ended,
// or makes it fail.
func (s *Store) SequenceTx(ctx context.Context, epoch int64, fn func(audit.SequenceTx) error) error {
	return s.sequencerTx(ctx, epoch, func(t *Tx) error { return fn(t) })
}

func (s *Store) sequencerTx(ctx context.Context, epoch int64, fn func(*Tx) error) error {
	return s.tx(ctx, func(t *Tx) error {
		if err := fenced(t.sql.ExecContext(ctx, `UPDATE audit_sequencer SET epoch = epoch WHERE id = 1 AND epoch = ?`, epoch)); err != nil {
			return err
		}
		return fn(t)
	})
}

// AuditPending implements audit.SequencerStore.
func (s *Store) AuditPending(ctx context.Context) (bool, error) {
	var seq int64
	err := s.db.QueryRowContext(ctx, `SELECT seq FROM audit WHERE idx IS NULL ORDER BY seq LIMIT 1`).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// AuditEnds implements audit.VerifyStore.
func (s *Store) AuditEnds(ctx context.Context) (pending, lastHash int64, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM audit WHERE idx IS NULL), coalesce((SELECT max(position) FROM audit_hashes), -1)`).Scan(&pending, &lastHash)
	return pending, lastHash, err
}

// auditOf reads the events of an action; those that have no index have none below a limit.
const auditOf = `SELECT ` + rowColumns + ` FROM audit WHERE action = ? AND seq < 9223372036854775807 AND idx < ? ORDER BY seq DESC LIMIT ?`

// AuditOf implements audit.VerifyStore.
func (s *Store) AuditOf(ctx context.Context, a audit.Action, below int64, limit int) ([]audit.Row, error) {
	return collect(ctx, s.db, auditRow, auditOf, string(a), below, limit)
}

// NewestAudit implements audit.VerifyStore.
func (s *Store) NewestAudit(ctx context.Context, a audit.Action) (r audit.Row, found bool, err error) {
	rows, err := s.AuditOf(ctx, a, math.MaxInt64, 1)
	if err != nil || len(rows) == 0 {
		return audit.Row{}, false, err
	}
	return rows[0], true, nil
}

const rowColumns = `seq, coalesce(idx, -1), leaf_version, ` + eventColumns

func auditRow(row scanner) (audit.Row, error) {
	var r audit.Row
	var err error
	r.Event, err = event(row, &r.Seq, &r.Index, &r.LeafVersion)
	return r, err
}

// PendingAudit implements audit.SequenceTx.
func (t *Tx) PendingAudit(ctx context.Context, limit int) ([]audit.Row, error) {
	return collect(ctx, t.sql, auditRow, `SELECT `+rowColumns+` FROM audit WHERE idx IS NULL ORDER BY seq LIMIT ?`, limit)
}

// AuditRows implements audit.VerifyStore.
func (s *Store) AuditRows(ctx context.Context, from int64, limit int) ([]audit.Row, error) {
	return collect(ctx, s.db, auditRow, `SELECT `+rowColumns+` FROM audit WHERE idx >= ? ORDER BY idx LIMIT ?`, from, limit)
}

// PlaceAudit implements audit.SequenceTx.
func (t *Tx) PlaceAudit(ctx context.Context, seq, index int64) error {
	r, err := t.sql.ExecContext(ctx, `UPDATE audit SET idx = ? WHERE seq = ? AND idx IS NULL`, index, seq)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("audit event %d already has an index", seq))
	}
	return nil
}

// AuditHashes implements audit.Hashes.
func (t *Tx) AuditHashes(ctx context.Context, positions []int64) ([]tlog.Hash, error) {
	return auditHashes(ctx, t.sql, positions)
}

// AuditHashes implements audit.Hashes.
func (s *Store) AuditHashes(ctx context.Context, positions []int64) ([]tlog.Hash, error) {
	return auditHashes(ctx, s.db, positions)
}

type placed struct {
	position int64
	hash     tlog.Hash
}

func scanHash(row scanner) (placed, error) {
	var p placed
	var raw []byte
	if err := row.Scan(&p.position, &raw); err != nil {
		return p, err
	}
	copy(p.hash[:], raw) // a hash of another length is found by whoever compares it
	return p, nil
}

func auditHashes(ctx context.Context, q querier, positions []int64) ([]tlog.Hash, error) {
	args := make([]any, len(positions))
	for i, p := range positions {
		args[i] = p
	}
	rows, err := collect(ctx, q, scanHash, `SELECT position, hash FROM audit_hashes WHERE position IN (?`+strings.Repeat(`, ?`, len(args)-1)+`)`, args...)
	if err != nil {
		return nil, err
	}
	found := make(map[int64]tlog.Hash, len(rows))
	for _, r := range rows {
		found[r.position] = r.hash
	}
	out := make([]tlog.Hash, len(positions))
	for i, p := range positions {
		h, ok := found[p]
		if !ok {
			return nil, fmt.Errorf("hash %d: %w", p, audit.ErrNoHash)
		}
		out[i] = h
	}
	return out, nil
}

// AuditHashRange implements audit.VerifyStore.
func (s *Store) AuditHashRange(ctx context.Context, from, to int64) (map[int64]tlog.Hash, error) {
	rows, err := collect(ctx, s.db, scanHash, `SELECT position, hash FROM audit_hashes WHERE position >= ? AND position < ?`, from, to)
	out := make(map[int64]tlog.Hash, len(rows))
	for _, r := range rows {
		out[r.position] = r.hash
	}
	return out, err
}

// HashPosition implements audit.VerifyStore.
func (s *Store) HashPosition(ctx context.Context, h tlog.Hash) (int64, error) {
	var at int64
	err := s.db.QueryRowContext(ctx, `SELECT position FROM audit_hashes WHERE hash = ? ORDER BY position LIMIT 1`, h[:]).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return -1, nil
	}
	return at, err
}

// hashesAtOnce is how many hashes one statement writes.
const hashesAtOnce = 250

// PutAuditHashes implements audit.SequenceTx.
func (t *Tx) PutAuditHashes(ctx context.Context, first int64, hashes []tlog.Hash) error {
	for some := range slices.Chunk(hashes, hashesAtOnce) {
		args := make([]any, 0, 2*len(some))
		for _, h := range some {
			args = append(args, first, h[:])
			first++
		}
		places := strings.Repeat(", (?, ?)", len(some))[2:]
		if _, err := t.sql.ExecContext(ctx, `INSERT INTO audit_hashes (position, hash) VALUES `+places, args...); err != nil { //nolint:gosec // only placeholders
			return err
		}
	}
	return nil
}

// PutCheckpoint implements audit.SequenceTx.
func (t *Tx) PutCheckpoint(ctx context.Context, c audit.SignedCheckpoint) error {
	_, err := t.sql.ExecContext(ctx, `INSERT INTO audit_checkpoints (size, time, note) VALUES (?, ?, ?)`, c.Size, micros(c.Time), c.Note)
	return err
}

func scanCheckpoint(row scanner) (audit.SignedCheckpoint, error) {
	var c audit.SignedCheckpoint
	var at int64
	err := row.Scan(&c.Size, &at, &c.Note)
	c.Time = moment(at)
	return c, err
}

func newestCheckpoint(ctx context.Context, q querier) (audit.SignedCheckpoint, error) {
	c, err := scanCheckpoint(q.QueryRowContext(ctx, `SELECT size, time, note FROM audit_checkpoints ORDER BY size DESC LIMIT 1`))
	if errors.Is(err, sql.ErrNoRows) {
		return audit.SignedCheckpoint{}, nil
	}
	return c, err
}

// NewestCheckpoint implements audit.SequenceTx.
func (t *Tx) NewestCheckpoint(ctx context.Context) (audit.SignedCheckpoint, error) {
	return newestCheckpoint(ctx, t.sql)
}

// NewestCheckpoint implements audit.SequencerStore.
func (s *Store) NewestCheckpoint(ctx context.Context) (audit.SignedCheckpoint, error) {
	return newestCheckpoint(ctx, s.db)
}

// Checkpoints implements audit.VerifyStore.
func (s *Store) Checkpoints(ctx context.Context, above int64, limit int) ([]audit.SignedCheckpoint, error) {
	return collect(ctx, s.db, scanCheckpoint, `SELECT size, time, note FROM audit_checkpoints WHERE size > ? ORDER BY size LIMIT ?`, above, limit)
}

// PutWitnesses implements audit.WitnessStore.
func (s *Store) PutWitnesses(ctx context.Context, all []audit.Witness) error {
	return s.tx(ctx, func(t *Tx) error {
		for _, w := range all {
			_, err := t.sql.ExecContext(ctx, `INSERT INTO audit_witnesses (connector, size, at, failure) VALUES (?, ?, ?, ?)
				ON CONFLICT (connector) DO UPDATE SET size = excluded.size, at = excluded.at, failure = excluded.failure`,
				w.Connector, w.Size, micros(w.At), w.Failure)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Witnesses implements audit.WitnessStore.
func (s *Store) Witnesses(ctx context.Context) ([]audit.Witness, error) {
	return collect(ctx, s.db, func(row scanner) (audit.Witness, error) {
		var w audit.Witness
		var at int64
		err := row.Scan(&w.Connector, &w.Size, &at, &w.Failure)
		w.At = moment(at)
		return w, err
	}, `SELECT connector, size, at, failure FROM audit_witnesses ORDER BY connector`)
}

// PruneWitnesses deletes what connectors said of the audit log that were revoked before.
func (s *Store) PruneWitnesses(ctx context.Context, revoked time.Time) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM audit_witnesses WHERE connector IN
		(SELECT id FROM connectors WHERE revoked_at <> 0 AND revoked_at < ?)`, micros(revoked))
	return err
}

// AuditDisputed counts the connectors, revoked ones aside, that refused the newest
// checkpoint they were offered.
func (s *Store) AuditDisputed(ctx context.Context) (n int, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM audit_witnesses w
		JOIN connectors m ON m.id = w.connector WHERE w.failure <> '' AND m.revoked_at = 0`).Scan(&n)
	return n, err
}

// SinkPosition implements export.Store: the index of the next event, 0 at first.
func (s *Store) SinkPosition(ctx context.Context, name string) (int64, error) {
	var at int64
	err := s.db.QueryRowContext(ctx, `SELECT position FROM audit_sinks WHERE name = ?`, name).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return at, err
}

// SetSinkPosition implements export.Store.
func (s *Store) SetSinkPosition(ctx context.Context, name string, position int64) error {
	_, err := s.db.ExecContext(ctx, `INSERT INTO audit_sinks (name, position) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET position = excluded.position`, name, position)
	return err
}

// AuditKnows says whether an event of this actor, action and target was recorded.
func (s *Store) AuditKnows(ctx context.Context, e audit.Event) (bool, error) {
	var n int
	err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM audit WHERE target = ? AND action = ? AND actor = ? LIMIT 1)`,
		e.Target, e.Action, e.Actor).Scan(&n)
	return n > 0, err
}
