package audit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

func (w *world) selfCheck() *audit.SelfCheck {
	return audit.NewSelfCheck(w.store, w.signer, newZap(), w.clock.Now, nil)
}

func (w *world) mark(t *testing.T) string {
	t.Helper()
	m, err := w.store.AuditMark(t.Context())
	require.NoError(t, err)
	return m
}

func TestACheckReadsWhatIsNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.many(t, audit.SegmentSize)
	w.grow(t, 20)
	c := w.selfCheck()
	c.Check(t.Context())
	require.EqualValues(t, audit.SegmentSize+20, c.State().Report.Read)
	w.grow(t, 7)
	c = w.selfCheck() // after a restart
	c.Check(t.Context())
	r := c.State().Report
	require.Equal(t, audit.CheckOK, c.State().State)
	require.EqualValues(t, audit.SegmentSize+27, r.Size)
	require.EqualValues(t, 27, r.Read, "and the rest of a segment that is not complete")
	w.sql(t, `UPDATE audit SET actor = 'x' WHERE idx = 4098`)
	for range 2 {
		c.Check(t.Context())
		require.Equal(t, audit.CheckBad, c.State().State, "it stays bad")
		require.EqualValues(t, 4098, c.State().Report.Problem.Index)
	}
}

// TestOlderSegmentsAreReadAgainWithinADay: what was verified once is not trusted for ever.
func TestOlderSegmentsAreReadAgainWithinADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.many(t, 2*audit.SegmentSize)
	k := w.keeper(t, audit.Retention{})
	w.renew(t, 10)
	w.clock.Advance(time.Hour)
	k.keep(t)
	c := w.selfCheck()
	c.Check(t.Context())
	require.Equal(t, audit.CheckOK, c.State().State)
	day := int(24 * time.Hour / (15 * time.Minute))
	read, renewals := int64(0), int64(0)
	for range day {
		c.Check(t.Context())
		read, renewals = read+c.State().Report.Read, renewals+c.State().Report.Renewals
	}
	require.EqualValues(t, 2*audit.SegmentSize+day, read, "each once, and the event that is in no complete segment each time")
	require.EqualValues(t, 10*day, renewals)
	for name, sql := range map[string]string{
		"a row":     `UPDATE audit SET actor = 'x' WHERE idx = 5000`,
		"a row out": `DELETE FROM audit WHERE idx = 4097`,
		"a hash":    `UPDATE audit_hashes SET hash = zeroblob(32) WHERE position = 11`,
		"a root":    `UPDATE audit_hashes SET hash = zeroblob(32) WHERE position = 8190`,
		"a renewal": `UPDATE svid_renewals SET time = 1 WHERE seq = 3`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := w.another(t)
			other.sql(t, sql)
			c := other.selfCheck()
			for range day {
				if c.Check(t.Context()); c.State().State == audit.CheckBad {
					return
				}
			}
			t.Fatal("not found within a day")
		})
	}
}

// TestAMarkIsNotMovedForwardWithoutTheKey: whoever writes to the database would have what they
// changed passed over.
func TestAMarkIsNotMovedForwardWithoutTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.many(t, audit.SegmentSize)
	w.selfCheck().Check(t.Context())
	w.many(t, audit.SegmentSize)
	w.sql(t, `UPDATE audit SET actor = 'x' WHERE idx = 5000`)
	ahead := w.kept(t, 2*audit.SegmentSize).Checkpoint
	for name, c := range map[string]struct {
		sql  string
		args []any
	}{
		"its size":      {`UPDATE audit_verified SET mark = replace(mark, '"size":4096', '"size":8192')`, nil},
		"size and root": {`UPDATE audit_verified SET mark = json_set(mark, '$.size', ?, '$.root', ?)`, []any{ahead.Size, ahead.Root.String()}},
		"its turn":      {`UPDATE audit_verified SET mark = replace(mark, '"turn":1', '"turn":7')`, nil},
		"no mark":       {`UPDATE audit_verified SET mark = '{}'`, nil},
		"no JSON":       {`UPDATE audit_verified SET mark = 'x'`, nil},
		"none at all":   {`DELETE FROM audit_verified`, nil},
		"as it was":     {`UPDATE audit_verified SET mark = mark`, nil},
		"something big": {`UPDATE audit_verified SET mark = mark || hex(zeroblob(100000))`, nil},
	} {
		other := w.another(t)
		other.sql(t, c.sql, c.args...)
		check := other.selfCheck()
		check.Check(t.Context())
		require.Equal(t, audit.CheckBad, check.State().State, name)
		require.EqualValues(t, 5000, check.State().Report.Problem.Index, name)
	}
	t.Run("one of another log is none", func(t *testing.T) {
		other := newWorld(t)
		other.grow(t, 18)
		other.selfCheck().Check(t.Context())
		w := w.another(t)
		require.NoError(t, w.store.PutAuditMark(t.Context(), other.mark(t)))
		c := w.selfCheck()
		c.Check(t.Context())
		require.EqualValues(t, 5000, c.State().Report.Problem.Index)
	})
	t.Run("a forged one is reported though the log is intact", func(t *testing.T) {
		w := newWorld(t)
		w.grow(t, 9)
		c := w.selfCheck()
		c.Check(t.Context())
		w.sql(t, `UPDATE audit_verified SET mark = replace(mark, '"size":9', '"size":8')`)
		c.Check(t.Context())
		require.Equal(t, audit.CheckBad, c.State().State)
		require.Equal(t, audit.Forged, c.State().Report.Problem.Kind)
		require.EqualValues(t, 9, c.State().Report.Read, "everything was verified")
	})
	t.Run("a log that is shorter than it was verified", func(t *testing.T) {
		w := newWorld(t)
		w.grow(t, 6)
		other := w.another(t)
		w.grow(t, 3)
		w.selfCheck().Check(t.Context())
		require.NoError(t, other.store.PutAuditMark(t.Context(), w.mark(t)))
		c := other.selfCheck()
		c.Check(t.Context())
		require.Equal(t, audit.RolledBack, c.State().Report.Problem.Kind)
	})
}
