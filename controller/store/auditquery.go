package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// clockSlack is how much later an event of an earlier time may have been inserted: events
// are placed by seq, and only a clock that was set back by more than this hides one from a
// query by time.
const clockSlack = time.Hour

// scan is a query that reads at most a window of rows, in the order of seq, by index.
type scan struct {
	table, columns string
	oldest         bool
	conditions     []string
	args           []any
}

func (s *scan) add(condition string, args ...any) {
	s.conditions, s.args = append(s.conditions, condition), append(s.args, args...)
}

// after adds where the page begins. Each scan has a limit of seq, so that none reads the
// table as a whole.
func (s *scan) after(seq int64) {
	switch {
	case s.oldest:
		s.add("seq > ?", seq)
	case seq > 0:
		s.add("seq < ?", seq)
	default:
		s.add("seq < ?", int64(math.MaxInt64))
	}
}

// sql is the query and its arguments.
func (s *scan) sql(window int) (query string, args []any) {
	order := " ORDER BY seq DESC"
	if s.oldest {
		order = " ORDER BY seq"
	}
	return `SELECT ` + s.columns + ` FROM ` + s.table + ` WHERE ` + strings.Join(s.conditions, " AND ") + order + ` LIMIT ?`, append(s.args, window)
}

// auditScan reads by the first of the fields that has an exact value; each has an index
// that is in the order of seq.
func auditScan(q audit.Query) *scan {
	s := &scan{table: "audit", columns: rowColumns, oldest: q.Oldest}
	for _, by := range []struct{ column, value string }{
		{"target", q.Target}, {"actor", q.Actor}, {"action", string(q.Action)}, {"outcome", q.Outcome},
	} {
		if by.value != "" && !strings.HasSuffix(by.value, "*") {
			s.add(by.column+" = ?", by.value)
			break
		}
	}
	s.after(q.After)
	return s
}

// Events of before and of after a time, by the index of time.
const (
	lastBefore  = `SELECT seq FROM audit WHERE time < ? ORDER BY time DESC LIMIT 1`
	firstBehind = `SELECT seq FROM audit WHERE time >= ? ORDER BY time LIMIT 1`
)

// FindAudit implements audit.QueryStore.
func (s *Store) FindAudit(ctx context.Context, q audit.Query) (audit.Page, error) {
	sc := auditScan(q)
	if err := s.bound(ctx, sc, q.Since, q.Until); err != nil {
		return audit.Page{}, err
	}
	rows, next, err := window(ctx, s.db, sc, audit.Window, q.Limit, auditRow,
		func(r audit.Row) int64 { return r.Seq }, func(r audit.Row) bool { return q.Matches(r.Event) })
	return audit.Page{Rows: rows, Next: next}, err
}

// bound keeps a scan from reading what was inserted long before or after a time.
func (s *Store) bound(ctx context.Context, sc *scan, since, until time.Time) error {
	for _, b := range []struct {
		at                time.Time
		slack             time.Duration
		query, constraint string
	}{{since, -clockSlack, lastBefore, "seq > ?"}, {until, clockSlack, firstBehind, "seq < ?"}} {
		if b.at.IsZero() {
			continue
		}
		var seq int64
		err := s.db.QueryRowContext(ctx, b.query, micros(b.at.Add(b.slack))).Scan(&seq)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return err
		}
		sc.add(b.constraint, seq)
	}
	return nil
}

// window reads the rows of a scan until limit of them match, and one more does, or until
// as many were examined. next is where the following page begins, 0 at the end.
func window[T any](ctx context.Context, q querier, sc *scan, examine, limit int, read func(scanner) (T, error), seqOf func(T) int64, match func(T) bool) (out []T, next int64, err error) {
	query, args := sc.sql(examine + 1)
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = rows.Close() }()
	last := int64(0)
	for examined := 0; rows.Next(); examined++ {
		row, err := read(rows)
		if err != nil {
			return nil, 0, err
		}
		if examined == examine {
			return out, last, nil
		}
		if match(row) {
			if len(out) == limit {
				return out, seqOf(out[limit-1]), nil
			}
			out = append(out, row)
		}
		last = seqOf(row)
	}
	return out, 0, rows.Err()
}

// auditTotal counts by the ends of the log, and what waits for its place.
const auditTotal = `SELECT coalesce((SELECT max(idx) FROM audit), -1) - coalesce((SELECT min(idx) FROM audit), 0) + 1
	+ (SELECT count(*) FROM audit WHERE idx IS NULL)`

// AuditTotal implements audit.QueryStore.
func (s *Store) AuditTotal(ctx context.Context) (n int64, err error) {
	if err := s.db.QueryRowContext(ctx, auditTotal).Scan(&n); err != nil {
		return 0, fmt.Errorf("count audit events: %w", err)
	}
	return n, nil
}
