package audit_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// BenchmarkVerify hashes a log of 100,000 records and checks its 200 checkpoints.
func BenchmarkVerify(b *testing.B) {
	w := newWorld(b)
	s := w.sequencer("c1")
	for range 200 {
		fill(b, w, 500)
		require.NoError(b, s.Step(context.Background()))
	}
	for b.Loop() {
		require.Nil(b, w.verify(b, nil).Problem)
	}
	b.ReportMetric(float64(100_000*b.N)/b.Elapsed().Seconds(), "records/s")
}

func fill(b *testing.B, w *world, n int) {
	b.Helper()
	db, err := sql.Open("sqlite", w.file())
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	_, err = db.ExecContext(context.Background(), `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?)
		INSERT INTO audit (time, actor, action, target, outcome, reason, request_id, source, after)
		SELECT 1767323045678901 + n, 'key:bootstrap', ?, 'token/tok_' || n, 'success', '', '0123456789abcdef', '192.0.2.1', '{"n":' || n || '}' FROM c`,
		n, audit.TokenCreate)
	require.NoError(b, err)
}
