package store

import (
	"context"
	"database/sql"
	"time"
)

// The operations that take time, and what may be slow about them.
const (
	OpBegin  = "begin"  // waits for the writers before us
	OpCommit = "commit" // waits for the disk
	OpQuery  = "query"  // a read outside a transaction, to its first row
	OpExec   = "exec"   // a write outside a transaction
)

// Operations lists them.
func Operations() []string { return []string{OpBegin, OpCommit, OpQuery, OpExec} }

// timed is the database, and tells observe how long each operation took, whether
// it succeeded or not.
type timed struct {
	*sql.DB

	observe func(operation string, took time.Duration)
}

// Observe has fn told how long each operation takes. Call it before the store is
// used; fn is called by many goroutines at once.
func (s *Store) Observe(fn func(operation string, took time.Duration)) { s.db.observe = fn }

func (d *timed) since(operation string, begin time.Time) {
	if d.observe != nil {
		d.observe(operation, time.Since(begin))
	}
}

// BeginTx hides that of sql.DB.
func (d *timed) BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error) {
	defer d.since(OpBegin, time.Now())
	return d.DB.BeginTx(ctx, o)
}

// commit ends a transaction.
func (d *timed) commit(t *sql.Tx) error {
	defer d.since(OpCommit, time.Now())
	return t.Commit()
}

// QueryContext hides that of sql.DB.
func (d *timed) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	defer d.since(OpQuery, time.Now())
	return d.DB.QueryContext(ctx, query, args...) //nolint:sqlclosecheck // whoever asked closes them
}

// QueryRowContext hides that of sql.DB.
func (d *timed) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	defer d.since(OpQuery, time.Now())
	return d.DB.QueryRowContext(ctx, query, args...)
}

// ExecContext hides that of sql.DB.
func (d *timed) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	defer d.since(OpExec, time.Now())
	return d.DB.ExecContext(ctx, query, args...)
}
