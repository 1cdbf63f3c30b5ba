package storetest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
)

// migrated is an empty SQLite database of the newest schema.
var migrated = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "zt")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "controller.db")
	s, err := store.Open(context.Background(), file)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(file) // the last one out has written the log into it
})

// File makes path an empty database of the newest schema, unless there is a file
// already, and returns path. The migrations take a third of a second of CPU under
// the race detector, which they need only once in a test program.
func File(tb testing.TB, path string) string {
	tb.Helper()
	db, err := migrated()
	require.NoError(tb, err)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return path
	}
	require.NoError(tb, err)
	_, err = f.Write(db)
	require.NoError(tb, errors.Join(err, f.Close()))
	return path
}
