package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
)

// AppendAudit implements audit.Store: the event of a change is part of it.
func (t *Tx) AppendAudit(ctx context.Context, e audit.Event) error {
	t.changed(changelog.Audit, "", changelog.Op(e.Action))
	return appendAudit(ctx, t.sql, e)
}

// AppendAudit implements audit.Store for events that change nothing, such as a
// refused caller of the admin API.
func (s *Store) AppendAudit(ctx context.Context, e audit.Event) error {
	return s.tx(ctx, func(t *Tx) error { return t.AppendAudit(ctx, e) })
}

type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

func appendAudit(ctx context.Context, db execer, e audit.Event) error {
	_, err := db.ExecContext(ctx,
		`INSERT INTO audit (`+eventColumns+`, leaf_version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		micros(e.Time), e.Actor, string(e.Action), e.Target, string(e.Outcome), e.Reason, e.RequestID, e.Source, e.Before, e.After, audit.LeafVersion)
	return err
}

const eventColumns = `time, actor, action, target, outcome, reason, request_id, source, before, after`

// event reads the columns of eventColumns, after those of first.
func event(row scanner, first ...any) (audit.Event, error) {
	var e audit.Event
	var at int64
	err := row.Scan(append(first, &at, &e.Actor, &e.Action, &e.Target, &e.Outcome, &e.Reason, &e.RequestID, &e.Source, &e.Before, &e.After)...)
	e.Time = moment(at)
	return e, err
}

// AuditSince lists audit events at or after a time, oldest first.
func (s *Store) AuditSince(ctx context.Context, since time.Time) ([]audit.Event, error) {
	return collect(ctx, s.db, func(row scanner) (audit.Event, error) { return event(row) },
		`SELECT `+eventColumns+` FROM audit WHERE time >= ? ORDER BY seq`, micros(since))
}
