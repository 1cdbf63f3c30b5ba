package store_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
)

// TestNoQueryOfFlowsReadsAllOfThem, as with the audit log.
func TestNoQueryOfFlowsReadsAllOfThem(t *testing.T) {
	t.Parallel()
	s := open(t, storetest.File(t, filepath.Join(t.TempDir(), "controller.db")))
	defer func() { require.NoError(t, s.Close()) }()
	now := time.Now()
	for name, c := range map[string]struct {
		q    flows.Query
		uses string
	}{
		"all":                   {flows.Query{}, "flows_ended (ended_at>?"},
		"a later page":          {flows.Query{After: flows.Place{Ended: now, Seq: 7}}, "flows_ended ("},
		"oldest first":          {flows.Query{Oldest: true, After: flows.Place{Ended: now, Seq: 7}}, "flows_ended ("},
		"between two times":     {flows.Query{Since: now.Add(-time.Hour), Until: now}, "flows_ended (ended_at>? AND ended_at<?"},
		"by tunneler":           {flows.Query{Tunneler: "t", Resource: "r"}, "flows_tunneler (tunneler=? AND "},
		"by tunneler, later":    {flows.Query{Tunneler: "t", After: flows.Place{Ended: now, Seq: 7}}, "flows_tunneler (tunneler=? AND "},
		"by tunneler, by time":  {flows.Query{Tunneler: "t", Since: now, Until: now, Oldest: true}, "flows_tunneler (tunneler=? AND ended_at>? AND ended_at<?"},
		"by target":             {flows.Query{Target: "t", Resource: "r"}, "flows_target (target=? AND "},
		"by resource":           {flows.Query{Resource: "r"}, "flows_resource (resource=? AND "},
		"by resource, by time":  {flows.Query{Resource: "r", Since: now}, "flows_resource (resource=? AND "},
		"by connector":          {flows.Query{Connector: "c"}, "flows_ended ("},
		"by a beginning, later": {flows.Query{Tunneler: "t*", After: flows.Place{Ended: now, Seq: 7}}, "flows_ended ("},
	} {
		query, args := store.FlowSQL(c.q)
		plan, err := s.Plan(t.Context(), query, args...)
		require.NoError(t, err, name)
		text := strings.Join(plan, "\n")
		require.Contains(t, text, c.uses, name)
		require.NotContains(t, text, "SCAN", name)
		require.NotContains(t, text, "TEMP B-TREE", name)
	}
	for query, args := range map[string][]any{store.OldFlows: {1, 2}, store.FlowMinutesSQL: {1}} {
		plan, err := s.Plan(t.Context(), query, args...)
		require.NoError(t, err)
		require.Contains(t, strings.Join(plan, "\n"), "flows_ended (ended_at")
	}
	plan, err := s.Plan(t.Context(), store.OldestFlows, "t", "c", 1)
	require.NoError(t, err)
	require.Contains(t, strings.Join(plan, "\n"), "INDEX flows_tunneler (tunneler=?)")
}

// TestARecordOfAFlowTakesWhatRetentionCounts: 512 bytes with its indexes.
func TestARecordOfAFlowTakesWhatRetentionCounts(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "controller.db")
	require.NoError(t, open(t, file).Close())
	before := size(t, file)
	s := open(t, file)
	const n = 10_000
	now := time.Now()
	for first := uint64(1); first < n; first += 1000 {
		_, err := s.AppendFlows(t.Context(), []flows.Batch{batch(first, 1000, now)}, now)
		require.NoError(t, err)
	}
	require.NoError(t, s.Close())
	each := (size(t, file) - before) / n
	t.Logf("%d bytes a record", each)
	require.LessOrEqual(t, each, int64(512))
	require.Greater(t, each, int64(256))
}

// batch is of a connector, with so many records from a number on.
func batch(first, count uint64, now time.Time) flows.Batch {
	b := flows.Batch{Connector: "connector-paris-01", Run: "run", First: first, Last: first + count - 1}
	for i := range count {
		at := now.Add(time.Duration(first+i) * time.Millisecond)
		b.Records = append(b.Records, flows.Numbered{Number: first + i, Record: flows.Record{
			Opened: at, Ended: at, Tunneler: fmt.Sprintf("tunneler-laptop-%03d", i%500), Connector: "connector-paris-01", Network: "network-paris", Resource: fmt.Sprintf("resource-%03d", i%100),
			ResourceName: "Orders of production", Grant: "grant-of-the-team", Target: fmt.Sprintf("database-%03d.corp.example:5432", i%100), Address: "10.8.100.105:5432",
			Connected: true, Code: "ok", Decision: "granted", Up: 123_456, Down: 12_345_678, Count: 1,
		}})
	}
	return b
}

// BenchmarkAppendFlows writes 400 records an iteration, as come of a fifth of a second under load.
func BenchmarkAppendFlows(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "controller.db"))
	b.Cleanup(func() { require.NoError(b, s.Close()) })
	const count = 400
	now, first, began := time.Now(), uint64(1), cpu(b)
	for b.Loop() {
		_, err := s.AppendFlows(b.Context(), []flows.Batch{batch(first, count, now)}, now)
		require.NoError(b, err)
		first += count
	}
	b.ReportMetric(float64((cpu(b)-began).Microseconds())/float64(first), "CPU-us/record")
}

// cpu is what this process has used.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// size is that of a database, with what is not in its file yet.
func size(t *testing.T, file string) (n int64) {
	t.Helper()
	for _, f := range []string{file, file + "-wal"} {
		if st, err := os.Stat(f); err == nil {
			n += st.Size()
		}
	}
	return n
}

// TestAConnectorThatReportsTooManyBytesBreaksNoSum: the totals of everybody are read at start.
func TestAConnectorThatReportsTooManyBytesBreaksNoSum(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "controller.db"))
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	now := time.Now()
	b := flows.Batch{Connector: "evil", Run: "run", First: 1, Last: 5}
	for n := range uint64(5) {
		b.Records = append(b.Records, flows.Numbered{Number: n + 1, Record: flows.Record{
			Opened: now, Ended: now, Tunneler: "t", Connector: "evil", Network: "n", Target: "a:1", Connected: true, Code: "ok", Decision: "granted", Up: math.MaxInt64 / 4, Count: 1,
		}})
	}
	_, err := s.AppendFlows(t.Context(), []flows.Batch{b}, now)
	require.NoError(t, err)
	minutes, err := s.FlowMinutes(t.Context(), now.Add(-time.Hour))
	require.NoError(t, err)
	require.Len(t, minutes, 1)
	require.Positive(t, minutes[0].Up)
	var sum flows.Sum
	for range 3 {
		sum.Add(minutes[0].Sum)
	}
	require.EqualValues(t, math.MaxInt64, sum.Up)
	require.EqualValues(t, 15, sum.Flows)
}
