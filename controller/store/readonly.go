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

// OpenReadOnly opens the database in file to read it, and changes nothing: no
// migration, no new file. A controller may run meanwhile.
func OpenReadOnly(ctx context.Context, file string) (*Store, error) {
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is not a file")
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", file, err)
	}
	q := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)", "query_only(ON)"}}
	s, err := openReadOnly(ctx, file, q)
	if err == nil {
		return s, nil
	}
	// A copy on a medium that cannot be written has no room for the files that WAL
	// needs. Without a log beside it, the file is all there is, and stands still.
	if _, serr := os.Stat(file + "-wal"); !errors.Is(serr, fs.ErrNotExist) {
		return nil, err
	}
	q.Set("immutable", "1")
	return openReadOnly(ctx, file, q)
}

func openReadOnly(ctx context.Context, file string, q url.Values) (*Store, error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: file}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", file, err)
	}
	db.SetMaxOpenConns(2)
	var n int
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM audit_sequencer`).Scan(&n); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open store %s: %w: is it the database of a controller of this version?", file, err)
	}
	return &Store{db: &timed{DB: db}}, nil
}
