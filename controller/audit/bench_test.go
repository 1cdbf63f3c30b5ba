package audit_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

var records = flag.Int("records", 100_000, "events of the log that BenchmarkLog makes")

// BenchmarkLog makes a long log with a checkpoint for 500 events, verifies it as a whole and
// behind a mark, and reads pages of it.
func BenchmarkLog(b *testing.B) {
	w, ctx := newWorld(b), context.Background()
	s := w.sequencer("c1")
	for range *records / 500 {
		fill(b, w, 500)
		require.NoError(b, s.Step(ctx))
	}
	b.Run("verify all", func(b *testing.B) {
		for b.Loop() {
			require.Nil(b, w.verify(b, nil).Problem)
		}
		b.ReportMetric(float64(*records*b.N)/b.Elapsed().Seconds(), "records/s")
	})
	c := w.selfCheck()
	c.Check(ctx)
	b.Run("verify what is new", func(b *testing.B) {
		for b.Loop() {
			c.Check(ctx)
			require.Equal(b, audit.CheckOK, c.State().State)
		}
		b.ReportMetric(float64(c.State().Report.Read), "records-read")
	})
	for name, q := range map[string]audit.Query{
		"first page": {}, "by target": {Target: "token/tok_77"}, "by action": {Action: audit.TokenCreate}, "a page in the middle": {After: int64(*records / 2)},
		"a text that is nowhere": {Text: "nowhere"}, "a target that is nowhere": {Target: "token/none"},
		"a time in the middle": {Until: time.UnixMicro(1767323045678901 + 250)},
	} {
		b.Run("page/"+name, func(b *testing.B) {
			q.Limit = 100
			for b.Loop() {
				_, err := w.store.FindAudit(ctx, q)
				require.NoError(b, err)
			}
		})
	}
	b.Run("total", func(b *testing.B) {
		for b.Loop() {
			_, err := w.store.AuditTotal(ctx)
			require.NoError(b, err)
		}
	})
}

// renewalsADay is how many 1,000 connectors cause: an SVID lives 5 min and is renewed at half.
const renewalsADay = 1000 * 24 * 60 * 2 / 5

// BenchmarkRenewals writes renewals of 1,000 members, a minute at once, and says what they take;
// beside it, what the same took as events of the Merkle log, 64 to an event.
func BenchmarkRenewals(b *testing.B) {
	const minutes, members, aMinute = 150, 1000, 400
	b.Run("table", func(b *testing.B) {
		for b.Loop() {
			w := newWorld(b)
			before := w.size(b)
			for minute := range minutes {
				var all []audit.Renewal
				for i := range aMinute {
					n := minute*aMinute + i
					all = append(all, renewed(fmt.Sprintf("connector/c-%04d", n*7%members), n*7919, w.clock.Now()))
				}
				w.clock.Advance(time.Minute)
				added, err := w.store.AppendRenewals(context.Background(), all)
				require.NoError(b, err)
				require.Equal(b, aMinute, added)
			}
			w.report(b, before, minutes*aMinute)
		}
	})
	b.Run("events", func(b *testing.B) {
		for b.Loop() {
			w := newWorld(b)
			before, s := w.size(b), w.sequencer("c1")
			for event := range minutes * aMinute / 64 {
				var all []map[string]any
				for i := range 64 {
					r := renewed(fmt.Sprintf("connector/c-%04d", i), event*64+i, w.clock.Now())
					all = append(all, map[string]any{"member": r.Member, "serial": r.Serial, "authority": r.Authority, "not_after": r.NotAfter, "former": r.Serial})
				}
				raw, err := json.Marshal(all)
				require.NoError(b, err)
				require.NoError(b, w.store.AppendAudit(context.Background(), audit.Event{
					Time: w.clock.Now(), Actor: "spire", Action: "svid.rotate", Target: "members/64", Outcome: audit.Success, Reason: "as proved to the controller", After: string(raw),
				}))
				require.NoError(b, s.Step(context.Background()))
			}
			w.report(b, before, minutes*aMinute/64*64)
		}
	})
}

// size is what the database takes, in bytes.
func (w *world) size(b *testing.B) int64 {
	b.Helper()
	db, err := sql.Open("sqlite", w.file())
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	var pages, size int64
	require.NoError(b, db.QueryRowContext(context.Background(), `PRAGMA page_count`).Scan(&pages))
	require.NoError(b, db.QueryRowContext(context.Background(), `PRAGMA page_size`).Scan(&size))
	return pages * size
}

func (w *world) report(b *testing.B, before int64, renewals int) {
	b.Helper()
	each := float64(w.size(b)-before) / float64(renewals)
	b.ReportMetric(each, "B/renewal")
	b.ReportMetric(each*renewalsADay/1e6, "MB/day")
}

func fill(b testing.TB, w *world, n int) {
	b.Helper()
	db, err := sql.Open("sqlite", w.file())
	require.NoError(b, err)
	defer func() { require.NoError(b, db.Close()) }()
	_, err = db.ExecContext(context.Background(), `WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?)
		INSERT INTO audit (time, actor, action, target, outcome, reason, request_id, source, after)
		SELECT 1767323045678901 + n, 'key:bootstrap', ?, 'token/tok_' || n, 'success', '', '0123456789abcdef', '192.0.2.1', '{"n":' || n || '}' FROM c`,
		n, string(audit.TokenCreate))
	require.NoError(b, err)
}
