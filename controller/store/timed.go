package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing"
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

// timed is the database, and reports to observe how long each operation took, whether
// it succeeded or not.
type timed struct {
	*sql.DB

	file string // for errors
	// writing is held by the one writer that SQLite admits. The others queue here, in
	// the order in which they came and without a connection: SQLite's own wait is a
	// poll that has no order, and would hold back the reads behind it.
	writing chan struct{}
	observe func(operation string, took time.Duration)
}

// write waits until the caller is the writer. It has to call done.
func (d *timed) write(ctx context.Context) (done func(), err error) {
	select {
	case d.writing <- struct{}{}:
		return func() { <-d.writing }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Observe has fn called with how long each operation takes. Call it before the store is
// used; fn is called by many goroutines at once.
func (s *Store) Observe(fn func(operation string, took time.Duration)) { s.db.observe = fn }

// begin is called when an operation begins, and what it returns when it has ended. In
// a trace the operation is a span, whose name says no more of a query than that it is
// one.
func (d *timed) begin(ctx context.Context, operation string) (end func(error)) {
	began := time.Now()
	_, span := tracing.Start(ctx, "store."+operation)
	return func(err error) {
		span.End(err)
		if d.observe != nil {
			d.observe(operation, time.Since(began))
		}
	}
}

// beginTx begins the transaction of a writer, which calls done when it has ended.
func (d *timed) beginTx(ctx context.Context) (t *sql.Tx, done func(), err error) {
	end := d.begin(ctx, OpBegin)
	defer func() { end(err) }()
	if done, err = d.write(ctx); err != nil {
		return nil, nil, err
	}
	if t, err = d.BeginTx(ctx, nil); err != nil {
		done()
		return nil, nil, err
	}
	return t, done, nil
}

// commit ends a transaction.
func (d *timed) commit(ctx context.Context, t *sql.Tx) error {
	end := d.begin(ctx, OpCommit)
	err := t.Commit()
	end(err)
	return err
}

// QueryContext hides that of sql.DB.
func (d *timed) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	end := d.begin(ctx, OpQuery)
	rows, err := d.DB.QueryContext(ctx, query, args...)
	end(err)
	return rows, err
}

// QueryRowContext hides that of sql.DB.
func (d *timed) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	end := d.begin(ctx, OpQuery)
	row := d.DB.QueryRowContext(ctx, query, args...)
	end(row.Err())
	return row
}

// ExecContext hides that of sql.DB.
func (d *timed) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	end := d.begin(ctx, OpExec)
	done, err := d.write(ctx)
	if err != nil {
		end(err)
		return nil, err
	}
	defer done()
	out, err := d.DB.ExecContext(ctx, query, args...)
	end(err)
	return out, d.explain(err)
}

// explain says that the disk is full, and where.
func (d *timed) explain(err error) error {
	full, ok := errors.AsType[*sqlite.Error](err)
	if ok && full.Code()&0xff == sqlite3.SQLITE_FULL && !errors.Is(err, atomicfile.ErrDiskFull) {
		return atomicfile.Full(d.file, err)
	}
	return atomicfile.Explain(d.file, err)
}
