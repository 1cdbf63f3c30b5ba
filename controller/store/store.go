package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/topic"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Store is the SQL database of one controller.
type Store struct {
	db   *timed
	news topic.Topic[struct{}] // woken after each commit that changed something
	// guard is that of Guard; nil for none.
	guard atomic.Pointer[func(ctx context.Context, tx policy.CheckTx) error]
}

// Open opens, or creates, the SQLite database in file and migrates it to the
// newest schema.
func Open(ctx context.Context, file string) (*Store, error) {
	if err := private(file); err != nil {
		return nil, err
	}
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
	}}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", file, err)
	}
	db.SetMaxOpenConns(4)
	t := &timed{DB: db, file: file, writing: make(chan struct{}, 1)}
	if err := migrate(ctx, db); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open store %s: %w", file, t.explain(err))
	}
	return &Store{db: t}, nil
}

// private creates the file with mode 0600, for SQLite would use the umask.
func private(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open store: %w: does %s exist?", err, filepath.Dir(file))
	}
	if err != nil {
		return fmt.Errorf("open store: %w: check owner and permissions of the data directory", err)
	}
	return f.Close()
}

func migrate(ctx context.Context, db *sql.DB) error {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, dir)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate schema: %w", err)
	}
	return nil
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.db.PingContext(ctx) }

// EnrollTx implements enroll.Store.
func (s *Store) EnrollTx(ctx context.Context, fn func(enroll.Tx) error) error {
	return s.tx(ctx, func(t *Tx) error { return fn(t) })
}

// FleetTx implements fleet.Store.
func (s *Store) FleetTx(ctx context.Context, fn func(fleet.Tx) error) error {
	return s.guarded(ctx, func(t *Tx) error { return fn(t) })
}

func (s *Store) tx(ctx context.Context, fn func(*Tx) error) (err error) {
	ctx, span := tracing.Start(ctx, "store.transaction")
	defer func() { span.End(err) }()
	defer func() { err = s.db.explain(err) }()
	t, done, err := s.db.beginTx(ctx)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer done()
	defer func() { _ = rollback(t) }() // of a panic, which a handler may survive; it changes nothing after a commit
	own := &Tx{sql: t}
	if err := fn(own); err != nil {
		return errors.Join(err, rollback(t))
	}
	if err := own.writeChanges(ctx); err != nil {
		return errors.Join(fmt.Errorf("write change log: %w", err), rollback(t))
	}
	if err := s.db.commit(ctx, t); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if len(own.changes) > 0 {
		s.news.Wake()
	}
	return nil
}

func rollback(t *sql.Tx) error {
	if err := t.Rollback(); err != nil && !errors.Is(err, sql.ErrTxDone) {
		return err
	}
	return nil
}

// Tx is a running transaction. It implements enroll.Tx and fleet.Tx.
type Tx struct {
	sql     *sql.Tx
	changes []changelog.Change // written right before the commit
}

// querier is what reads need of a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// scanner is a row of one or of many.
type scanner interface{ Scan(dest ...any) error }

// collect reads all rows of a query.
func collect[T any](ctx context.Context, q querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// micros and moment translate times; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

var _ *sqlite.Driver // the driver is used by name only
