package audit_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// another is a copy of the world, on which a test may do anything.
func (w *world) another(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	next := &world{dir: dir, signer: w.signer, clock: hosttest.NewClock(w.clock.Now())}
	next.trail = audit.New(zap.NewNop(), next.clock.Now)
	w.sql(t, `VACUUM INTO ?`, filepath.Join(dir, "x.db"))
	require.NoError(t, os.Chmod(next.file(), 0o600))
	var err error
	next.store, err = store.Open(context.Background(), next.file())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, next.store.Close()) })
	return next
}

// many appends n events, a second apart, and sequences them.
func (w *world) many(t testing.TB, n int) {
	t.Helper()
	s := w.sequencer("c1")
	for ; n > 0; n -= 500 {
		fill(t, w, min(n, 500))
		w.clock.Advance(time.Minute)
		require.NoError(t, s.Step(context.Background()))
	}
}

// longLog has two segments that are removed, one that stays, and some more. Two connectors were
// last seen in the first segment, when the log had 1000 and 1700 records; the second may have
// written its file when it had 1500.
func longLog(t *testing.T) (w *world, held []witness.Kept, first int64) {
	t.Helper()
	w = newWorld(t)
	for range 2 {
		w.clock.Advance(time.Hour)
		w.many(t, 500)
	}
	second := audit.Witness{Connector: "c-02", Size: 1000, At: w.clock.Now()}
	w.clock.Advance(time.Hour)
	w.many(t, 700)
	require.NoError(t, w.store.PutWitnesses(t.Context(), []audit.Witness{second, {Connector: "c-01", Size: 1700, At: w.clock.Now()}}))
	for _, size := range []int64{500, 1000, 1500, 1700} {
		held = append(held, w.kept(t, size))
	}
	w.clock.Advance(24 * time.Hour)
	w.many(t, 3*audit.SegmentSize-1700+30)
	held = append(held, w.kept(t, 3*audit.SegmentSize+30))
	k := w.keeper(t, audit.Retention{Bytes: audit.SegmentSize * 900})
	k.keep(t)
	rows, err := w.store.AuditRows(t.Context(), 0, 1)
	require.NoError(t, err)
	return w, held, rows[0].Index
}

// kept is what a connector holds of the checkpoint of a size.
func (w *world) kept(t testing.TB, size int64) witness.Kept {
	t.Helper()
	some, err := w.store.Checkpoints(context.Background(), size-1, 1)
	require.NoError(t, err)
	require.Equal(t, size, some[0].Size)
	c, err := witness.Open([]byte(some[0].Note), w.signer.VerifierKey)
	require.NoError(t, err)
	return witness.Kept{VerifierKey: w.signer.VerifierKey, Note: some[0].Note, Checkpoint: c}
}

// TestAnArchivedLog is three tests of one log, which takes a while to make.
func TestAnArchivedLog(t *testing.T) {
	t.Parallel()
	w, held, first := longLog(t)
	t.Run("keeps the proofs", func(t *testing.T) { archivedLogKeepsTheProofs(t, w.another(t), held, first) })
	t.Run("shows what was done to it", func(t *testing.T) { archivedLogShowsWhatWasDone(t, w, first) })
	t.Run("is what was signed of it", func(t *testing.T) { archivedRootsAreThoseThatWereSigned(t, w.another(t)) })
}

func archivedLogKeepsTheProofs(t *testing.T, w *world, held []witness.Kept, first int64) {
	t.Helper()
	require.EqualValues(t, 2*audit.SegmentSize, first)
	r := w.verify(t, nil)
	require.Nil(t, r.Problem)
	require.EqualValues(t, 2*audit.SegmentSize, r.Archived)
	require.EqualValues(t, audit.SegmentSize+31, r.Read, "with the event that says what was removed")

	w.grow(t, 5)
	seq := w.sequencer("c1")
	require.NoError(t, seq.Step(t.Context()))
	witnesses := audit.NewWitnesses(w.store, seq, w.trail)
	for _, k := range held {
		if k.Checkpoint.Size == 500 {
			continue
		}
		o, err := witnesses.Offer(t.Context(), k.Checkpoint.Size)
		require.NoError(t, err)
		_, err = k.Judge(o)
		require.NoError(t, err, "a connector that holds %d records", k.Checkpoint.Size)
		file := &witness.File{Connector: "c", VerifierKey: k.VerifierKey, Checkpoint: k.Note}
		require.Nil(t, w.verify(t, func(v *audit.Verification) { v.Witness = file }).Problem)
	}
	t.Run("a checkpoint that no connector was known to hold is not proved", func(t *testing.T) {
		o, err := witnesses.Offer(t.Context(), 500)
		require.NoError(t, err)
		require.Empty(t, o.Proof)
		_, err = held[0].Judge(o)
		require.ErrorIs(t, err, witness.ErrProof, "it is refused, and seen, rather than passed over")
		file := &witness.File{Connector: "c", VerifierKey: held[0].VerifierKey, Checkpoint: held[0].Note}
		db, err := store.OpenReadOnly(t.Context(), w.file())
		require.NoError(t, err)
		defer func() { require.NoError(t, db.Close()) }()
		_, err = audit.Verify(t.Context(), db, audit.Verification{VerifierKey: w.signer.VerifierKey, Witness: file})
		require.ErrorIs(t, err, audit.ErrInput, "which is no proof of tampering")
	})
	t.Run("the next segments go the same way", func(t *testing.T) {
		w.many(t, audit.SegmentSize)
		w.keeper(t, audit.Retention{Bytes: audit.SegmentSize * 900}).keep(t)
		r := w.verify(t, nil)
		require.Nil(t, r.Problem)
		require.EqualValues(t, 3*audit.SegmentSize, r.Archived)
		total, err := w.store.AuditTotal(t.Context())
		require.NoError(t, err)
		require.Equal(t, r.Size-r.Archived, total)
	})
}

// TestRetention is four tests of one log with a complete segment and one more event.
func TestRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.many(t, audit.SegmentSize)
	w.grow(t, 1)
	for name, test := range map[string]func(*testing.T, *world){
		"by age": retentionByAge, "nothing is removed before the log says so": statedBeforeRemoved,
		"removes no evidence": removesNoEvidence, "nobody without the key can have the log begin later": statedByTheKeyOnly,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, w.another(t))
		})
	}
}

func retentionByAge(t *testing.T, w *world) {
	t.Helper()
	k := w.keeper(t, audit.Retention{Age: 400 * 24 * time.Hour})
	w.clock.Advance(365 * 24 * time.Hour)
	k.keep(t)
	require.Zero(t, w.verify(t, nil).Archived)
	first := w.rows(t)[0].Time
	require.Equal(t, audit.KeeperState{Oldest: first}, k.State())
	w.clock.Advance(36 * 24 * time.Hour)
	k.keep(t)
	require.EqualValues(t, audit.SegmentSize, k.State().Events)
	require.Equal(t, w.rows(t)[0].Time, k.State().Oldest)
	r := w.verify(t, nil)
	require.Nil(t, r.Problem)
	require.EqualValues(t, audit.SegmentSize, r.Archived)
	require.EqualValues(t, audit.SegmentSize+2, r.Size, "the event after it stays: its segment is not complete")
}

// statedBeforeRemoved: killed in between, the statement is there, and what it
// names is removed later.
func statedBeforeRemoved(t *testing.T, w *world) {
	t.Helper()
	k := w.keeper(t, audit.Retention{Age: time.Hour})
	w.clock.Advance(48 * time.Hour)
	for range 2 {
		require.NoError(t, k.Step(t.Context()))
		rows, err := w.store.AuditRows(t.Context(), 0, 1)
		require.NoError(t, err)
		require.Zero(t, rows[0].Index, "the statement has no place yet")
	}
	require.NoError(t, k.seq.Step(t.Context()))
	require.Nil(t, w.verify(t, nil).Problem, "stated and not removed")
	// The controller, and who verifies while it runs, read the first event just before it goes.
	r, err := audit.Verify(t.Context(), &overtaken{VerifyStore: w.store, remove: func() error { return k.Step(t.Context()) }},
		audit.Verification{VerifierKey: w.signer.VerifierKey, Live: true})
	require.NoError(t, err)
	require.Nil(t, r.Problem, "removed while it was verified")
	require.EqualValues(t, audit.SegmentSize, r.Archived)
	require.NoError(t, k.seq.Step(t.Context()))
	r = w.verify(t, nil)
	require.Nil(t, r.Problem)
	require.EqualValues(t, audit.SegmentSize, r.Archived)
}

// overtaken is a store of which retention removes something, once, behind whoever reads the
// first event.
type overtaken struct {
	audit.VerifyStore

	remove func() error
}

// AuditRows implements audit.VerifyStore.
func (o *overtaken) AuditRows(ctx context.Context, from int64, limit int) ([]audit.Row, error) {
	rows, err := o.VerifyStore.AuditRows(ctx, from, limit)
	if remove := o.remove; err == nil && remove != nil {
		o.remove = nil
		err = remove()
	}
	return rows, err
}

// removesNoEvidence: what was tampered with stays to be looked at.
func removesNoEvidence(t *testing.T, w *world) {
	t.Helper()
	k := w.keeper(t, audit.Retention{Age: time.Hour})
	w.clock.Advance(1000 * 24 * time.Hour)
	w.sql(t, `UPDATE audit SET actor = 'x' WHERE idx = 77`)
	require.ErrorContains(t, k.Step(t.Context()), "record 77")
	require.NoError(t, k.seq.Step(t.Context()))
	require.Error(t, k.Step(t.Context()))
	require.True(t, k.State().Failing)
	require.Zero(t, k.State().Events)
	require.Equal(t, audit.Changed, w.verify(t, nil).Problem.Kind)
	w.sql(t, `UPDATE audit SET actor = 'key:bootstrap' WHERE idx = 77`)
	k.keep(t)
	require.False(t, k.State().Failing)
}

func archivedLogShowsWhatWasDone(t *testing.T, w *world, first int64) {
	t.Helper()
	root := tlog.StoredHashIndex
	for name, c := range map[string]struct {
		sql   string
		args  []any
		kind  string
		index int64
	}{
		"the first row that stays, changed":     {`UPDATE audit SET actor = 'x' WHERE idx = ?`, []any{first}, audit.Changed, first},
		"the first row that stays, removed":     {`DELETE FROM audit WHERE idx = ?`, []any{first}, audit.Deleted, first},
		"a row of the segment that stays":       {`DELETE FROM audit WHERE idx = ?`, []any{first + 9}, audit.Deleted, first + 9},
		"the whole segment that stays":          {`DELETE FROM audit WHERE idx < ?`, []any{first + audit.SegmentSize}, audit.Deleted, first},
		"a row put back before the log's begin": {`UPDATE audit SET idx = ? WHERE seq = (SELECT max(seq) - 1 FROM audit)`, []any{first - 1}, audit.Deleted, first - audit.SegmentSize},
		"a root, changed":                       {`UPDATE audit_hashes SET hash = zeroblob(32) WHERE position = ?`, []any{root(12, 0)}, audit.Changed, audit.SegmentSize},
		"a root, removed":                       {`DELETE FROM audit_hashes WHERE position = ?`, []any{root(12, 1)}, audit.Deleted, audit.SegmentSize},
		"a hash above the roots":                {`UPDATE audit_hashes SET hash = zeroblob(32) WHERE position = ?`, []any{root(13, 0)}, audit.Changed, audit.SegmentSize},
		"what the log says was removed": {
			`UPDATE audit SET after = replace(after, '"records":8192', '"records":4096') WHERE action = 'audit.archive'`, nil, audit.Forged, 3*audit.SegmentSize + 30,
		},
		"the event that says it, removed": {`DELETE FROM audit WHERE action = 'audit.archive'`, nil, audit.Deleted, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			other := w.another(t)
			other.sql(t, c.sql, c.args...)
			p := other.verify(t, nil).Problem
			require.NotNil(t, p)
			require.Equal(t, c.kind, p.Kind, p.Error())
			require.Equal(t, c.index, p.Index, p.Error())
		})
	}
}

// archivedRootsAreThoseThatWereSigned: whoever knows how the hashes are made can make those above
// a root anew.
func archivedRootsAreThoseThatWereSigned(t *testing.T, w *world) {
	t.Helper()
	hashes, err := w.store.AuditHashes(t.Context(), []int64{audit.SegmentRootAt(1)})
	require.NoError(t, err)
	forged := tlog.RecordHash([]byte("forged"))
	above := tlog.NodeHash(forged, hashes[0])
	w.sql(t, `UPDATE audit_hashes SET hash = ? WHERE position = ?`, forged[:], audit.SegmentRootAt(0))
	w.sql(t, `UPDATE audit_hashes SET hash = ? WHERE position = ?`, above[:], tlog.StoredHashIndex(13, 0))
	p := w.verify(t, nil).Problem
	require.NotNil(t, p)
	require.Equal(t, audit.Rewritten, p.Kind, p.Error())
	require.Contains(t, p.Detail, "retention has removed")
}

// statedByTheKeyOnly: an event that somebody inserts is placed, but
// nothing is removed for it and it covers nothing up.
func statedByTheKeyOnly(t *testing.T, w *world) {
	t.Helper()
	k := w.keeper(t, audit.Retention{})
	w.sql(t, `INSERT INTO audit (time, actor, action, target, outcome, reason, request_id, source, after)
		VALUES (1, 'controller', 'audit.archive', 'audit', 'success', '', '', '', '{"records":4096,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","signature":""}')`)
	require.NoError(t, k.seq.Step(t.Context()))
	require.ErrorIs(t, k.Step(t.Context()), audit.ErrStatement)
	rows, err := w.store.AuditRows(t.Context(), 0, 1)
	require.NoError(t, err)
	require.Zero(t, rows[0].Index)
	w.sql(t, `DELETE FROM audit WHERE idx < 4096`)
	p := w.verify(t, nil).Problem
	require.NotNil(t, p)
	require.Equal(t, audit.Forged, p.Kind)
}

// only reads the stored hashes of some positions.
type only struct {
	hashes []tlog.Hash
	may    func(position int64) bool
}

func (o only) ReadHashes(positions []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, 0, len(positions))
	for _, p := range positions {
		if !o.may(p) {
			return nil, audit.ErrNoHash
		}
		out = append(out, o.hashes[p])
	}
	return out, nil
}

// TestWhatIsHeldProvesGrowthFromEverySize: of any size in a segment that was removed, to any
// longer log.
func TestWhatIsHeldProvesGrowthFromEverySize(t *testing.T) {
	t.Parallel()
	const archived, most = 3 * audit.SegmentSize, 4*audit.SegmentSize + 77
	all := only{may: func(int64) bool { return true }}
	for n := range int64(most) {
		added, err := tlog.StoredHashes(n, []byte(fmt.Sprint(n)), all)
		require.NoError(t, err)
		all.hashes = append(all.hashes, added...)
	}
	sizes := []int64{1, 2, 3, 4095, 4096, 4097, 5000, 8191, 8192, 8193, 12287, 12288}
	for i := range int64(200) {
		sizes = append(sizes, (i*7919)%archived+1)
	}
	for _, size := range sizes {
		held := map[int64]bool{}
		for n := range int64(3) {
			for _, p := range audit.ProofPositions(n, size) {
				held[p] = true
			}
		}
		require.LessOrEqual(t, len(held), 24)
		left := only{hashes: all.hashes, may: func(p int64) bool {
			level, n := tlog.SplitStoredHashIndex(p)
			return held[p] || level >= 12 || n<<level >= archived
		}}
		was, err := tlog.TreeHash(size, left)
		require.NoError(t, err, size)
		for _, longer := range []int64{archived, archived + 1, archived + 100, archived + 4095, archived + 4096, most} {
			proof, err := tlog.ProveTree(longer, size, left)
			require.NoError(t, err, "from %d to %d", size, longer)
			now, err := tlog.TreeHash(longer, left)
			require.NoError(t, err)
			require.NoError(t, tlog.CheckTree(proof, longer, now, size, was))
		}
	}
}

func FuzzStatements(f *testing.F) {
	f.Add(`{"size":1,"root":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","turn":0,"signature":"AAAA"}`)
	f.Add(`{"first":1,"last":2,"count":2,"sha256":"AAAA","pruned":0,"signature":null}`)
	f.Add(`{"records":4096,"root":"x"}`)
	f.Add(`{}{}`)
	dir := f.TempDir()
	signer, err := audit.OpenSigner(dir, "test.example/audit")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, raw string) {
		for _, read := range audit.StatementReaders() {
			require.ErrorIs(t, read(raw, signer.VerifierKey), audit.ErrStatement, "nobody but the key signs one")
		}
	})
}

// TestWhatAConnectorMayHoldOfASegmentStays: a connector writes its file up to a minute after
// it has answered, and may have answered to a checkpoint that was made while it did.
func TestWhatAConnectorMayHoldOfASegmentStays(t *testing.T) {
	t.Parallel()
	answered := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	want := map[int64]bool{}
	for _, size := range []int64{3001, 1001, 1501} {
		for _, p := range audit.ProofPositions(0, size) {
			want[p] = true
		}
	}
	got := audit.HeldPositions(0, []audit.Witness{{Connector: "c", Size: 3001, At: answered}}, []audit.SignedCheckpoint{
		{Size: 777, Time: answered.Add(-10*time.Minute - time.Second)},
		{Size: 1001, Time: answered.Add(-10 * time.Minute)},
		{Size: 1501, Time: answered.Add(time.Minute)},
		{Size: 2003, Time: answered.Add(time.Minute + time.Second)},
	})
	require.Equal(t, want, got)
}
