package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
)

// Snapshot copies the SQLite database in file, ours or another one, to a new file of
// mode 0600. The copy is of one moment, and other users of the database are not held up.
func Snapshot(ctx context.Context, file, into string) (err error) {
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	f, err := os.OpenFile(into, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // SQLite fills an empty file
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return fmt.Errorf("copy database: %w", err)
	}
	err = vacuum(ctx, readOnly(file, nil), into)
	if err == nil {
		return nil
	}
	// A database that nobody has open has no log beside it, and where none can be made
	// the file is all there is, and stands still.
	if _, serr := os.Stat(file + "-wal"); errors.Is(serr, fs.ErrNotExist) {
		err = vacuum(ctx, readOnly(file, url.Values{"immutable": {"1"}}), into)
	}
	if err != nil {
		return fmt.Errorf("copy database %s: %w", file, (&timed{file: into}).explain(err))
	}
	return nil
}

func vacuum(ctx context.Context, dsn, into string) (err error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, `VACUUM INTO ?`, into)
	return err
}

func readOnly(file string, also url.Values) string {
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)"}}
	for k, v := range also {
		q[k] = v
	}
	return "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + q.Encode()
}

// ErrNewer is of a database that a later release has migrated.
var ErrNewer = errors.New("the database is of a later release: use that release, or a later one")

// Examine verifies that the SQLite database in file is undamaged, and changes nothing.
// Nobody may use the database meanwhile. A database of ours must not be of a later
// release.
func Examine(ctx context.Context, file string, ours bool) (err error) {
	db, err := sql.Open("sqlite", readOnly(file, nil))
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var found string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&found); err != nil {
		return fmt.Errorf("check %s: %w", file, err)
	}
	if found != "ok" {
		return fmt.Errorf("check %s: the database is damaged: %s", file, found)
	}
	if !ours {
		return nil
	}
	var has int64
	if err := db.QueryRowContext(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version`).Scan(&has); err != nil {
		return fmt.Errorf("%s is no database of a controller: %w", file, err)
	}
	newest, err := newestMigration()
	if err == nil && has > newest {
		err = fmt.Errorf("%s: %w", file, ErrNewer)
	}
	return err
}

func newestMigration() (newest int64, err error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	for _, name := range names {
		var n int64
		if _, err := fmt.Sscanf(name, "migrations/%d_", &n); err != nil {
			return 0, fmt.Errorf("%s: %w", name, err)
		}
		newest = max(newest, n)
	}
	return newest, err
}
