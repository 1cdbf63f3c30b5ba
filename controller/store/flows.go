package store

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
)

// maxRuns of a connector are remembered: a restart begins one, and what is left of the one before
// it comes no more.
const maxRuns = 8

// AppendFlows implements flows.Store.
func (s *Store) AppendFlows(ctx context.Context, all []flows.Batch, now time.Time) (out []flows.Written, err error) {
	err = s.tx(ctx, func(t *Tx) error {
		out = make([]flows.Written, 0, len(all))
		var rows []flows.Record
		for _, b := range all {
			w, err := t.placeFlows(ctx, b, now)
			if err != nil {
				return err
			}
			out, rows = append(out, w), append(rows, w.Records...)
		}
		return t.insertFlows(ctx, rows)
	})
	return out, err
}

// placeFlows says what of a batch is new, and notes that it came.
func (t *Tx) placeFlows(ctx context.Context, b flows.Batch, now time.Time) (w flows.Written, err error) {
	var position, lost int64
	err = t.sql.QueryRowContext(ctx, `SELECT position, lost FROM flow_positions WHERE connector = ? AND run = ?`, b.Connector, b.Run).Scan(&position, &lost)
	if errors.Is(err, sql.ErrNoRows) {
		err = t.beginFlows(ctx, b, now)
	}
	w.Position = uint64(position) //nolint:gosec // never negative
	if err != nil || b.Last <= w.Position {
		return w, err
	}
	for _, r := range b.Records {
		if r.Number > w.Position {
			r.Recorded = now
			w.Records = append(w.Records, r.Record)
		}
	}
	w.Position, w.New = b.Last, true
	if reported := int64(min(b.Lost, math.MaxInt64)); reported > lost {
		w.Lost, lost = uint64(reported-lost), reported //nolint:gosec // positive
	}
	_, err = t.sql.ExecContext(ctx, `UPDATE flow_positions SET position = ?, lost = ?, at = ? WHERE connector = ? AND run = ?`,
		int64(b.Last), lost, micros(now), b.Connector, b.Run) //nolint:gosec // the transport has refused larger ones
	return w, err
}

// beginFlows begins a run, and forgets the oldest ones of its connector.
func (t *Tx) beginFlows(ctx context.Context, b flows.Batch, now time.Time) error {
	if _, err := t.sql.ExecContext(ctx, `DELETE FROM flow_positions WHERE connector = ? AND run NOT IN
		(SELECT run FROM flow_positions WHERE connector = ? ORDER BY at DESC, run LIMIT ?)`, b.Connector, b.Connector, maxRuns-1); err != nil {
		return err
	}
	_, err := t.sql.ExecContext(ctx, `INSERT INTO flow_positions (connector, run, position, lost, at) VALUES (?, ?, 0, 0, ?)`, b.Connector, b.Run, micros(now))
	return err
}

func (t *Tx) insertFlows(ctx context.Context, rows []flows.Record) error {
	if len(rows) == 0 {
		return nil
	}
	var seq int64
	if err := t.sql.QueryRowContext(ctx, `UPDATE meta SET value = value + ? WHERE name = 'flows' RETURNING value`, len(rows)).Scan(&seq); err != nil {
		return err
	}
	seq -= int64(len(rows))
	insert, err := t.sql.PrepareContext(ctx, `INSERT INTO flows (`+flowColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for _, r := range rows {
		seq++
		if _, err := insert.ExecContext(ctx, seq, micros(r.Recorded), micros(r.Opened), micros(r.Ended), r.Tunneler, r.Connector, r.Network, r.Resource, r.ResourceName,
			r.Grant, r.Target, r.Address, number(r.Connected), r.Code, r.Decision, int64(r.Up), int64(r.Down), int64(r.Count)); err != nil { //nolint:gosec // the transport has refused larger ones
			return err
		}
	}
	return nil
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

const flowColumns = `seq, recorded_at, opened_at, ended_at, tunneler, connector, network, resource, resource_name, grant_id, target, address, connected, code, decision, up, down, count`

func scanFlow(row scanner) (r flows.Record, err error) {
	var recorded, began, ended, connected, up, down, count int64
	err = row.Scan(&r.Seq, &recorded, &began, &ended, &r.Tunneler, &r.Connector, &r.Network, &r.Resource, &r.ResourceName,
		&r.Grant, &r.Target, &r.Address, &connected, &r.Code, &r.Decision, &up, &down, &count)
	r.Recorded, r.Opened, r.Ended, r.Connected = moment(recorded), moment(began), moment(ended), connected != 0
	r.Up, r.Down, r.Count = uint64(up), uint64(down), uint64(count) //nolint:gosec // as they were written
	return r, err
}

// flowScan is the query of a page: by the first of the fields that has an exact value and an
// index, and by time.
func flowScan(q flows.Query) (query string, args []any) {
	var conditions []string
	add := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	for _, by := range []struct{ column, value, also string }{
		{"tunneler", q.Tunneler, ""}, {"target", q.Target, ""}, {"resource", q.Resource, " AND resource <> ''"},
	} {
		if by.value != "" && !strings.HasSuffix(by.value, "*") {
			add(by.column+" = ?"+by.also, by.value)
			break
		}
	}
	add("ended_at >= ?", micros(q.Since))
	if !q.Until.IsZero() {
		add("ended_at < ?", micros(q.Until))
	}
	compare, order := " < ", " DESC"
	if q.Oldest {
		compare, order = " > ", ""
	}
	if q.After != (flows.Place{}) {
		add("(ended_at, seq)"+compare+"(?, ?)", micros(q.After.Ended), q.After.Seq)
	}
	return `SELECT ` + flowColumns + ` FROM flows WHERE ` + strings.Join(conditions, " AND ") +
		` ORDER BY ended_at` + order + `, seq` + order + ` LIMIT ?`, append(args, flows.Window+1)
}

// FindFlows implements flows.Store.
func (s *Store) FindFlows(ctx context.Context, q flows.Query) (out flows.Page, err error) {
	if q.Recorded != nil {
		return s.flowsRecorded(ctx, q)
	}
	query, args := flowScan(q)
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return out, err
	}
	defer func() { _ = rows.Close() }()
	var last flows.Record
	for examined := 0; rows.Next(); examined++ {
		r, err := scanFlow(rows)
		if err != nil {
			return flows.Page{}, err
		}
		if examined == flows.Window {
			out.Next = placeOf(last)
			return out, nil
		}
		if q.Matches(r) {
			if len(out.Records) == q.Limit {
				out.Next = placeOf(out.Records[q.Limit-1])
				return out, nil
			}
			out.Records = append(out.Records, r)
		}
		last = r
	}
	return out, rows.Err()
}

// flowsRecorded is FindFlows in the order in which records were written, which their numbers have.
func (s *Store) flowsRecorded(ctx context.Context, q flows.Query) (out flows.Page, err error) {
	if out.Last = *q.Recorded; out.Last < 0 {
		err = s.db.QueryRowContext(ctx, `SELECT value FROM meta WHERE name = 'flows'`).Scan(&out.Last)
		return out, err
	}
	rows, err := s.db.QueryContext(ctx, `SELECT `+flowColumns+` FROM flows WHERE seq > ? ORDER BY seq LIMIT ?`, out.Last, flows.Window)
	if err != nil {
		return out, err
	}
	defer func() { _ = rows.Close() }()
	for len(out.Records) < q.Limit && rows.Next() {
		r, err := scanFlow(rows)
		if err != nil {
			return flows.Page{}, err
		}
		if out.Last = r.Seq; q.Matches(r) {
			out.Records = append(out.Records, r)
		}
	}
	return out, rows.Err()
}

func placeOf(r flows.Record) flows.Place { return flows.Place{Ended: r.Ended, Seq: r.Seq} }

// flowMinutes sums by minute, and by what became of the flows. It is no error where a connector
// reports more bytes than there are numbers.
const flowMinutes = `SELECT ended_at / 60000000, connected, code = '` + flows.Refused + `',
  CAST(min(total(count), 9.0e18) AS INTEGER), CAST(min(total(up), 9.0e18) AS INTEGER), CAST(min(total(down), 9.0e18) AS INTEGER)
FROM flows WHERE ended_at >= ? GROUP BY 1, 2, 3`

// FlowMinutes implements flows.Store.
func (s *Store) FlowMinutes(ctx context.Context, since time.Time) ([]flows.Minute, error) {
	return collect(ctx, s.db, func(row scanner) (m flows.Minute, err error) {
		var minute, count int64
		var connected, refused bool
		err = row.Scan(&minute, &connected, &refused, &count, &m.Up, &m.Down)
		m.At = time.Unix(60*minute, 0).UTC()
		switch {
		case connected:
			m.Flows = count
		case refused:
			m.Refused = count
		default:
			m.Failed = count
		}
		return m, err
	}, flowMinutes, micros(since))
}

// CountFlows implements flows.Store.
func (s *Store) CountFlows(ctx context.Context) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM flows`).Scan(&n)
	return n, err
}

const (
	oldFlows    = `DELETE FROM flows WHERE seq IN (SELECT seq FROM flows WHERE ended_at < ? ORDER BY ended_at, seq LIMIT ?)`
	oldestFlows = `DELETE FROM flows WHERE seq IN (SELECT seq FROM flows WHERE tunneler = ? AND connector = ? ORDER BY ended_at, seq LIMIT ?)`
)

// PruneFlows implements flows.Store.
func (s *Store) PruneFlows(ctx context.Context, before time.Time, limit int) (int, error) {
	r, err := s.db.ExecContext(ctx, oldFlows, micros(before), limit)
	if err != nil {
		return 0, err
	}
	if n, err := r.RowsAffected(); n > 0 || err != nil {
		return int(n), err
	}
	_, err = s.db.ExecContext(ctx, `DELETE FROM flow_positions WHERE at < ?`, micros(before))
	return 0, err
}

// FlowShares implements flows.Store.
func (s *Store) FlowShares(ctx context.Context) ([]flows.Share, error) {
	return collect(ctx, s.db, func(row scanner) (out flows.Share, err error) {
		err = row.Scan(&out.Connector, &out.Tunneler, &out.Records)
		return out, err
	}, `SELECT connector, tunneler, count(*) FROM flows GROUP BY connector, tunneler ORDER BY connector, tunneler`)
}

// RemoveFlows implements flows.Store.
func (s *Store) RemoveFlows(ctx context.Context, of []flows.Share) (removed int, err error) {
	err = s.tx(ctx, func(t *Tx) error {
		removed = 0
		for _, share := range of {
			r, err := t.sql.ExecContext(ctx, oldestFlows, share.Tunneler, share.Connector, share.Records)
			if err != nil {
				return err
			}
			n, err := r.RowsAffected()
			if err != nil {
				return err
			}
			removed += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}
