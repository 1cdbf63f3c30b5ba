package store_test

import (
	"context"
	"database/sql"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write schema.sql anew")

func TestSQLite(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	storetest.Run(t, func(t *testing.T, name string) storetest.Store {
		t.Helper()
		dir := filepath.Join(root, filepath.Base(t.Name())) // one a test, so that a database can be opened again
		require.NoError(t, os.MkdirAll(dir, 0o700))
		return open(t, storetest.File(t, filepath.Join(dir, name)))
	})
}

func open(tb testing.TB, file string) *store.Store {
	tb.Helper()
	s, err := store.Open(tb.Context(), file)
	require.NoError(tb, err)
	return s
}

// TestAFullDiskIsSaidWithThePath: SQLite alone says "database or disk is full".
func TestAFullDiskIsSaidWithThePath(t *testing.T) {
	t.Parallel()
	tiny := filepath.Join(hosttest.SmallDisk(t, "128k"), "controller.db")
	_, err := store.Open(t.Context(), tiny)
	require.ErrorIs(t, err, atomicfile.ErrDiskFull)
	require.ErrorContains(t, err, tiny)

	dir := hosttest.SmallDisk(t, "4m")
	file := filepath.Join(dir, "controller.db")
	s := open(t, file)
	defer func() { require.NoError(t, s.Close()) }()
	ballast, err := os.Create(filepath.Join(dir, "ballast"))
	require.NoError(t, err)
	_, err = ballast.Write(make([]byte, 8<<20))
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, ballast.Close())
	event := audit.Event{Time: time.Now(), Action: "x", Reason: strings.Repeat("r", 1000)}
	err = s.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		var err error
		for i := 0; i < 8000 && err == nil; i++ {
			err = tx.AppendAudit(t.Context(), event)
		}
		return err
	})
	require.ErrorIs(t, err, atomicfile.ErrDiskFull)
	require.ErrorContains(t, err, "disk full: "+file+" cannot be written")
	for err = nil; err == nil; { // outside of a transaction
		err = s.AppendAudit(t.Context(), event)
	}
	require.ErrorIs(t, err, atomicfile.ErrDiskFull)
	require.ErrorContains(t, err, file)
}

// TestEveryOperationIsTimed: a database that is slow is seen where it is slow.
func TestEveryOperationIsTimed(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "controller.db"))
	defer func() { require.NoError(t, s.Close()) }()
	var got []string
	s.Observe(func(operation string, took time.Duration) {
		require.GreaterOrEqual(t, took, time.Duration(0))
		require.Contains(t, store.Operations(), operation)
		got = append(got, operation)
	})
	expect := func(why string, want ...string) {
		t.Helper()
		require.Equal(t, want, got, why)
		got = nil
	}
	require.NoError(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.BumpPolicy(t.Context()) }))
	expect("a transaction", store.OpBegin, store.OpCommit)
	require.ErrorIs(t, s.EnrollTx(t.Context(), func(enroll.Tx) error { return os.ErrInvalid }), os.ErrInvalid)
	expect("one that is rolled back", store.OpBegin)
	_, err := s.Tunnelers(t.Context())
	require.NoError(t, err)
	expect("a read of many", store.OpQuery)
	_, err = s.PolicyRevision(t.Context())
	require.NoError(t, err)
	expect("a read of one", store.OpQuery)
	require.NoError(t, s.AppendAudit(t.Context(), audit.Event{Action: "test"}))
	expect("an event with its row in the change log", store.OpBegin, store.OpCommit)
	require.NoError(t, s.AuthRows().UseKey(t.Context(), "key", time.Now()))
	expect("a write", store.OpExec)
}

func TestFilesArePrivate(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]string{
		"with a plain name":               "controller.db",
		"with a name that a URL escapes":  "a b?mode=memory&c#d%41.db",
		"in a directory with odd letters": "ü/x?.db",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), file)
			require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
			s := open(t, path)
			require.NoError(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.BumpPolicy(t.Context()) }))
			found, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
			require.NoError(t, err)
			names := []string{}
			for _, f := range found {
				info, err := os.Stat(f)
				require.NoError(t, err)
				require.Equal(t, fs.FileMode(0o600), info.Mode(), f)
				names = append(names, f)
			}
			require.Subset(t, names, []string{path, path + "-wal"}, "the log beside it too, and at the very path that was asked for")
			require.NoError(t, s.Close())
		})
	}
}

func TestOpenSaysWhatToCheck(t *testing.T) {
	t.Parallel()
	notADatabase := filepath.Join(t.TempDir(), "x.db")
	require.NoError(t, os.WriteFile(notADatabase, []byte(strings.Repeat("not a database ", 100)), 0o600))
	for name, c := range map[string]struct {
		file string
		want string
	}{
		"a directory that does not exist": {filepath.Join(t.TempDir(), "none", "x.db"), "does "},
		"a file where a directory goes":   {filepath.Join(notADatabase, "x.db"), "check owner and permissions"},
		"a directory at its path":         {t.TempDir(), "check owner and permissions"},
		"a file that is no database":      {notADatabase, "x.db"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := store.Open(t.Context(), c.file)
			require.ErrorContains(t, err, "open store")
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// TestOpenWithoutPermission plays another user in a child process, for root may
// write anywhere.
func TestOpenWithoutPermission(t *testing.T) {
	if dir := os.Getenv("STORE_TEST_DIR"); dir != "" {
		_, err := store.Open(t.Context(), filepath.Join(dir, "x.db"))
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, "check owner and permissions of the data directory")
		return
	}
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500))
	program, err := os.ReadFile("/proc/self/exe")
	require.NoError(t, err)
	copied, err := os.MkdirTemp("", "store") //nolint:usetesting // t.TempDir is closed to other users
	require.NoError(t, err)
	defer func() { _ = os.RemoveAll(copied) }()
	require.NoError(t, os.Chmod(copied, 0o755))
	hosttest.WriteProgram(t, filepath.Join(copied, "store.test"), program)
	child := exec.CommandContext(t.Context(), filepath.Join(copied, "store.test"), "-test.run=^TestOpenWithoutPermission$")
	child.Dir, child.Env = copied, append(os.Environ(), "STORE_TEST_DIR="+dir)
	if os.Geteuid() == 0 {
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	out, err := child.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestTwoProcessesShareNoTransaction(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.db")
	a, b := open(t, file), open(t, file)
	defer func() { require.NoError(t, a.Close()); require.NoError(t, b.Close()) }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	require.NoError(t, a.EnrollTx(ctx, func(tx enroll.Tx) error {
		before, err := b.PolicyRevision(ctx)
		require.NoError(t, err)
		require.NoError(t, tx.BumpPolicy(ctx))
		during, err := b.PolicyRevision(ctx)
		require.NoError(t, err)
		require.Equal(t, before, during, "a reader is not blocked and sees what was committed")
		return nil
	}))
}

// TestSchema compares schema.sql with what the migrations make; -update writes it.
func TestSchema(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.db")
	require.NoError(t, open(t, file).Close())
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	rows, err := db.QueryContext(t.Context(), `SELECT sql FROM sqlite_schema
		WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%' ORDER BY tbl_name, type DESC, name`)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	var got strings.Builder
	got.WriteString("-- What the migrations make. Written by \"make schema\", compared by a test.\n")
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		got.WriteString("\n" + text + ";\n")
	}
	require.NoError(t, rows.Err())
	if *update {
		require.NoError(t, os.WriteFile("schema.sql", []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile("schema.sql")
	require.NoError(t, err, "run make schema")
	require.Equal(t, string(want), got.String(), "run make schema")
}

// TestLastSeenTimesMove: those of an older database go to the table of their own.
func TestLastSeenTimesMove(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.db")
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	p, err := goose.NewProvider(goose.DialectSQLite3, db, os.DirFS("migrations"))
	require.NoError(t, err)
	_, err = p.UpTo(t.Context(), 10)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), `
		INSERT INTO hosts (id, agent_id, key_hash, certificate, ephemeral, hostname, enrolled_at, contested_at, revoked_at) VALUES ('h', '', x'01', x'', 0, '', 1, 0, 0);
		INSERT INTO connectors (id, host_id, selectors, version, enrolled_at, revoked_at, first_seen_at, last_seen_at) VALUES ('c', 'h', '[]', 'v1', 1, 0, 2, 3);
		INSERT INTO tunnelers (id, host_id, selectors, version, enrolled_at, revoked_at, first_seen_at, last_seen_at, connector_id)
			VALUES ('new', 'h', '[]', 'v0', 1, 0, 0, 0, ''), ('t', 'h', '[]', 'v2', 1, 0, 4, 5, 'c')`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	s := open(t, file)
	defer func() { require.NoError(t, s.Close()) }()
	connectors, err := s.Connectors(t.Context())
	require.NoError(t, err)
	require.Equal(t, time.UnixMicro(3).UTC(), connectors[0].LastSeenAt)
	require.Equal(t, "v1", connectors[0].Version)
	tunnelers, err := s.Tunnelers(t.Context())
	require.NoError(t, err)
	require.True(t, tunnelers[0].LastSeenAt.IsZero())
	require.Equal(t, "v0", tunnelers[0].Version)
	require.Equal(t, time.UnixMicro(5).UTC(), tunnelers[1].LastSeenAt)
	require.Equal(t, []string{"v2", "c"}, []string{tunnelers[1].Version, tunnelers[1].ConnectorID})
}

// TestOpenTwice: migrations run once.
func TestOpenTwice(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.db")
	for range 3 {
		s := open(t, file)
		n, err := s.PolicyRevision(t.Context())
		require.NoError(t, err)
		require.Equal(t, uint64(1), n)
		require.NoError(t, s.Close())
	}
}

// TestARestoredBackupGoesOnAfterAllRevisions: whoever had a later revision than the
// backup would ignore the policy of its controller.
func TestARestoredBackupGoesOnAfterAllRevisions(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "controller.db")
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	revision := func(s *store.Store) uint64 {
		t.Helper()
		n, err := s.PolicyRevision(t.Context())
		require.NoError(t, err)
		return n
	}
	s, err := store.Open(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, s.BeginPolicy(t.Context(), start))
	require.NoError(t, s.Close())
	backup, err := os.ReadFile(path)
	require.NoError(t, err)

	s, err = store.Open(t.Context(), path)
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.BumpPolicy(t.Context()) }))
	}
	last := revision(s)
	require.NoError(t, s.BeginPolicy(t.Context(), start.Add(-time.Hour)))
	require.Equal(t, last+1, revision(s), "also when the clock was set back")
	last = revision(s)
	require.NoError(t, s.Close())

	for _, file := range []string{path, path + "-wal", path + "-shm"} {
		_ = os.Remove(file)
	}
	require.NoError(t, os.WriteFile(path, backup, 0o600))
	s, err = store.Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	require.Less(t, revision(s), last)
	require.NoError(t, s.BeginPolicy(t.Context(), start.Add(time.Minute)))
	require.Greater(t, revision(s), last)
}

// TestWritersThatWaitHoldUpNoReader: while one writes, any number may wait.
func TestWritersThatWaitHoldUpNoReader(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "controller.db"))
	defer func() { require.NoError(t, s.Close()) }()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var waiting sync.WaitGroup
	require.NoError(t, s.EnrollTx(ctx, func(enroll.Tx) error {
		for range 8 {
			began := make(chan struct{})
			waiting.Go(func() {
				close(began)
				assert.NoError(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error { return tx.BumpPolicy(t.Context()) }))
			})
			<-began
		}
		_, err := s.PolicyRevision(ctx)
		require.NoError(t, err, "a reader")
		given, giveUp := context.WithCancel(ctx)
		giveUp()
		require.ErrorIs(t, s.EnrollTx(given, func(enroll.Tx) error { return nil }), context.Canceled, "a writer that gave up")
		require.ErrorIs(t, s.AppendAudit(given, audit.Event{Action: "test"}), context.Canceled)
		return nil
	}))
	waiting.Wait()
	revision, err := s.PolicyRevision(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 1+8, revision)
}

// TestATransactionThatPanicsHoldsUpNoWriter: a web server survives the panic of a handler.
func TestATransactionThatPanicsHoldsUpNoWriter(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "controller.db"))
	defer func() { require.NoError(t, s.Close()) }()
	require.Panics(t, func() { _ = s.EnrollTx(t.Context(), func(enroll.Tx) error { panic("a fault") }) })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	require.NoError(t, s.EnrollTx(ctx, func(tx enroll.Tx) error { return tx.BumpPolicy(ctx) }))
}
