package store

import (
	"context"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// where is the condition of a query and its arguments.
type where struct {
	conditions []string
	args       []any
}

func (w *where) add(condition string, args ...any) {
	w.conditions, w.args = append(w.conditions, condition), append(w.args, args...)
}

// text adds an exact match, or one of a beginning. column is ours, never a caller's.
func (w *where) text(column, value string) {
	prefix, isPrefix := strings.CutSuffix(value, "*")
	switch {
	case value == "":
	case isPrefix:
		w.add(column+` LIKE ? ESCAPE '\'`, literal(prefix)+"%")
	default:
		w.add(column+` = ?`, value)
	}
}

// literal keeps what a caller typed from being a pattern.
func literal(s string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(s)
}

func (w *where) String() string {
	if len(w.conditions) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.conditions, " AND ")
}

func auditWhere(q audit.Query) *where {
	w := &where{}
	w.text("actor", q.Actor)
	w.text("action", q.Action)
	w.text("target", q.Target)
	w.text("outcome", q.Outcome)
	if !q.Since.IsZero() {
		w.add("time >= ?", micros(q.Since))
	}
	if !q.Until.IsZero() {
		w.add("time < ?", micros(q.Until))
	}
	if q.Text != "" {
		w.add(`lower(actor || ' ' || action || ' ' || target || ' ' || reason || ' ' || request_id || ' ' || source || ' ' || before || ' ' || after) LIKE ? ESCAPE '\'`,
			"%"+literal(strings.ToLower(q.Text))+"%")
	}
	return w
}

// FindAudit implements audit.QueryStore.
func (s *Store) FindAudit(ctx context.Context, q audit.Query) ([]audit.Row, error) {
	w, order := auditWhere(q), " ORDER BY seq DESC"
	switch {
	case q.Oldest:
		order = " ORDER BY seq"
		w.add("seq > ?", q.After)
	case q.After > 0:
		w.add("seq < ?", q.After)
	}
	return collect(ctx, s.db, auditRow, `SELECT `+rowColumns+` FROM audit`+w.String()+order+` LIMIT ?`, append(w.args, q.Limit)...)
}

// CountAudit implements audit.QueryStore. It counts all pages.
func (s *Store) CountAudit(ctx context.Context, q audit.Query) (int64, error) {
	w := auditWhere(q)
	var n int64
	err := s.db.QueryRowContext(ctx, `SELECT count(*) FROM audit`+w.String(), w.args...).Scan(&n)
	return n, err
}
