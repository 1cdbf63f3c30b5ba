package audit_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	_ "modernc.org/sqlite" // to do what the store does not

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a log in a real database.
type world struct {
	dir    string
	store  *store.Store
	signer *audit.Signer
	trail  *audit.Log
	clock  *hosttest.Clock
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), clock: hosttest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	var err error
	w.store, err = store.Open(context.Background(), storetest.File(t, w.file()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.store.Close()) })
	w.signer, err = audit.OpenSigner(filepath.Join(w.dir, "audit"), "test.example/audit")
	require.NoError(t, err)
	w.trail = audit.New(zap.NewNop(), w.clock.Now)
	return w
}

func (w *world) file() string { return filepath.Join(w.dir, "x.db") }

func (w *world) sequencer(holder string) *audit.Sequencer {
	return w.sequencerOn(w.store, holder)
}

func (w *world) sequencerOn(s audit.SequencerStore, holder string) *audit.Sequencer {
	return audit.NewSequencer(audit.SequencerConfig{
		Store: s, Holder: holder, Signer: w.signer, Changes: w.store, Log: zap.NewNop(), Now: w.clock.Now,
	})
}

func (w *world) record(t testing.TB, n int) {
	t.Helper()
	for range n {
		w.clock.Advance(time.Second)
		require.NoError(t, w.trail.Record(context.Background(), w.store, audit.Event{
			Actor: "key:bootstrap", Action: audit.TokenCreate, Target: "token/tok_" + w.clock.Now().Format("150405"),
			Outcome: audit.Success, After: `{"n":1}`,
		}))
	}
}

// grow records n events and sequences them, in batches of up to three.
func (w *world) grow(t testing.TB, n int) {
	t.Helper()
	s := w.sequencer("c1")
	for n > 0 {
		w.record(t, min(n, 3))
		n -= 3
		require.NoError(t, s.Step(context.Background()))
	}
}

// sql does what only somebody who owns the disk can do.
func (w *world) sql(t testing.TB, query string, args ...any) {
	t.Helper()
	db, err := sql.Open("sqlite", w.file())
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	_, err = db.ExecContext(context.Background(), query, args...)
	require.NoError(t, err, query)
}

func (w *world) verify(t testing.TB, change func(*audit.Verification)) audit.Report {
	t.Helper()
	db, err := store.OpenReadOnly(context.Background(), w.file())
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	v := audit.Verification{VerifierKey: w.signer.VerifierKey}
	if change != nil {
		change(&v)
	}
	r, err := audit.Verify(context.Background(), db, v)
	require.NoError(t, err)
	return r
}

func (w *world) rows(t testing.TB) []audit.Row {
	t.Helper()
	rows, err := w.store.AuditRows(context.Background(), 0, 1000)
	require.NoError(t, err)
	return rows
}

// intact checks that every event has exactly one place, in order.
func (w *world) intact(t testing.TB, n int) {
	t.Helper()
	rows := w.rows(t)
	require.Len(t, rows, n)
	for i, r := range rows {
		require.Equal(t, int64(i), r.Index)
		require.Equal(t, int64(i+1), r.Seq, "the order of insertion is the order of the log")
	}
	r := w.verify(t, nil)
	require.Nil(t, r.Problem, fmt.Sprint(r.Problem))
	require.Equal(t, int64(n), r.Size)
	require.Zero(t, r.Pending)
}

func newZap() *zap.Logger { return zap.NewNop() }
