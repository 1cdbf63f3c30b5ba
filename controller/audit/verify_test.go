package audit_test

import (
	"context"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

// witnessed is the file of a connector that saw the log as it is now.
func (w *world) witnessed(t *testing.T) *witness.File {
	t.Helper()
	newest, err := w.store.NewestCheckpoint(t.Context())
	require.NoError(t, err)
	return &witness.File{Connector: "connector c-01", VerifierKey: w.signer.VerifierKey, Checkpoint: newest.Note, WitnessedAt: w.clock.Now()}
}

func TestVerifyNamesTheFirstBadRecord(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql   []string
		kind  string
		index int64
		says  string
	}{
		"one byte of an actor":       {[]string{`UPDATE audit SET actor = 'key:bootstraq' WHERE idx = 4`}, audit.Changed, 4, "not what was recorded"},
		"one byte of a state":        {[]string{`UPDATE audit SET after = '{"n":2}' WHERE idx = 7`}, audit.Changed, 7, ""},
		"a microsecond":              {[]string{`UPDATE audit SET time = time + 1 WHERE idx = 0`}, audit.Changed, 0, ""},
		"text moved between fields":  {[]string{`UPDATE audit SET reason = 'x', request_id = '' WHERE idx = 9`}, audit.Changed, 9, ""},
		"a leaf version":             {[]string{`UPDATE audit SET leaf_version = 2 WHERE idx = 9`}, audit.Changed, 9, "leaf version"},
		"a stored hash":              {[]string{`UPDATE audit_hashes SET hash = zeroblob(32) WHERE position = 2`}, audit.Changed, 1, "stored hash"},
		"a stored hash of no length": {[]string{`UPDATE audit_hashes SET hash = x'' WHERE position = 0`}, audit.Changed, 0, ""},
		"two of them":                {[]string{`UPDATE audit SET actor = 'x' WHERE idx IN (3, 8)`}, audit.Changed, 3, ""},
		"a row deleted":              {[]string{`DELETE FROM audit WHERE idx = 5`}, audit.Deleted, 5, "it is missing"},
		"the first row deleted":      {[]string{`DELETE FROM audit WHERE idx = 0`}, audit.Deleted, 0, ""},
		"the last row deleted":       {[]string{`DELETE FROM audit WHERE idx = 9`}, audit.Deleted, 9, "it is missing"},
		"several rows deleted":       {[]string{`DELETE FROM audit WHERE idx IN (5, 6, 7)`}, audit.Deleted, 5, "up to record 7"},
		"all rows deleted":           {[]string{`DELETE FROM audit`}, audit.Deleted, 0, "up to record 9"},
		"a row taken out of the log": {[]string{`UPDATE audit SET idx = NULL WHERE idx = 5`}, audit.Deleted, 5, ""},
		"deleted and closed up": {[]string{
			`DELETE FROM audit WHERE idx = 5`, `UPDATE audit SET idx = idx - 1 WHERE idx = 6`,
		}, audit.Reordered, 5, "recorded as 6"},
		"two rows swapped": {[]string{
			`UPDATE audit SET idx = -5 WHERE idx = 2`, `UPDATE audit SET idx = 2 WHERE idx = 6`, `UPDATE audit SET idx = 6 WHERE idx = -5`,
		}, audit.Reordered, 2, "recorded as 6"},
		"a row that nobody signed": {[]string{
			`INSERT INTO audit (time, actor, action, target, outcome, reason, request_id, source, idx) VALUES (1, '', 'x', '', '', '', '', '', 10)`,
		}, audit.Unsigned, 10, "no checkpoint"},
		"rows and checkpoint of the end removed, hashes left": {[]string{
			`DELETE FROM audit WHERE idx >= 9`, `DELETE FROM audit_checkpoints WHERE size > 9`,
		}, audit.Unsigned, 9, "removed from the end"},
		"a checkpoint's note":            {[]string{`UPDATE audit_checkpoints SET note = replace(note, '6', '7') WHERE size = 6`}, audit.Forged, 5, "not signed"},
		"a checkpoint of another size":   {[]string{`UPDATE audit_checkpoints SET size = 5 WHERE size = 6`}, audit.Forged, 4, "signed for 6"},
		"a checkpoint beyond the record": {[]string{`UPDATE audit_checkpoints SET size = 11 WHERE size = 10`}, audit.Deleted, 10, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.grow(t, 10)
			w.intact(t, 10)
			w.sql(t, `UPDATE audit SET reason = '', request_id = 'x' WHERE 0`)
			for _, q := range c.sql {
				w.sql(t, q)
			}
			p := w.verify(t, nil).Problem
			require.NotNil(t, p)
			require.Equal(t, c.kind, p.Kind, p.Error())
			require.Equal(t, c.index, p.Index, p.Error())
			require.Contains(t, p.Detail, c.says)
		})
	}
}

// TestVerifyFindsARowRewrittenWithItsHashes: whoever knows how the hashes are made
// can make them anew, but not sign them.
func TestVerifyFindsARowRewrittenWithItsHashes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grow(t, 10)
	// The forger sequences the changed rows with a key of his own and puts the
	// true checkpoints back.
	forged := newWorld(t)
	forged.clock.Advance(-1)
	rows := w.rows(t)
	for i, r := range rows {
		if i == 4 {
			r.Actor = "somebody else"
		}
		require.NoError(t, forged.store.AppendAudit(t.Context(), r.Event))
	}
	require.NoError(t, forged.sequencer("c1").Step(t.Context()))
	forged.sql(t, `DELETE FROM audit_checkpoints`)
	checkpoints, err := w.store.Checkpoints(t.Context(), 0, 100)
	require.NoError(t, err)
	for _, c := range checkpoints {
		forged.sql(t, `INSERT INTO audit_checkpoints (size, time, note) VALUES (?, ?, ?)`, c.Size, c.Time.UnixMicro(), c.Note)
	}
	forged.signer = w.signer
	p := forged.verify(t, nil).Problem
	require.NotNil(t, p)
	require.Equal(t, audit.Rewritten, p.Kind)
	require.Equal(t, int64(3), p.Index, "record 3 was the first that the checkpoint of 6 signed")
	require.Contains(t, p.Detail, "from here to 5")
}

func TestVerifyWithAWitness(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grow(t, 6)
	yesterday, err := os.ReadFile(w.copyTo(t))
	require.NoError(t, err)
	w.grow(t, 6)
	seen := w.witnessed(t)
	with := func(v *audit.Verification) { v.Witness = seen }
	require.Nil(t, w.verify(t, with).Problem, "it confirms the log")
	w.grow(t, 3)
	require.Nil(t, w.verify(t, with).Problem, "and a longer one")

	back := newWorld(t)
	require.NoError(t, back.store.Close())
	for _, rest := range []string{"-wal", "-shm"} {
		_ = os.Remove(back.file() + rest)
	}
	require.NoError(t, os.WriteFile(back.file(), yesterday, 0o600))
	back.store, err = store.Open(t.Context(), back.file())
	require.NoError(t, err)
	back.signer = w.signer
	back.clock = w.clock

	require.Nil(t, back.verify(t, nil).Problem, "nothing in yesterday's database tells that it is yesterday's")
	p := back.verify(t, with).Problem
	require.NotNil(t, p)
	require.Equal(t, audit.RolledBack, p.Kind)
	require.Equal(t, int64(6), p.Index, "the first record that is gone")
	require.Contains(t, p.Detail, "connector c-01 witnessed 12")

	back.trail = w.trail
	back.grow(t, 12)
	require.Nil(t, back.verify(t, nil).Problem)
	p = back.verify(t, with).Problem
	require.NotNil(t, p, "grown beyond what was witnessed it is another log")
	require.Equal(t, audit.RolledBack, p.Kind)
	require.Contains(t, p.Detail, "witnessed other records")

	t.Run("a witness of another key of this log is not ignored", func(t *testing.T) {
		other := newWorld(t)
		other.grow(t, 12)
		p := w.verify(t, func(v *audit.Verification) { v.Witness = other.witnessed(t) }).Problem
		require.NotNil(t, p)
		require.Equal(t, audit.Forged, p.Kind)
	})
}

// TestUnusableInputIsNoProofOfTampering: whoever gives the wrong file or key must not
// be told that somebody changed the log.
func TestUnusableInputIsNoProofOfTampering(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grow(t, 6)
	elsewhere, err := audit.OpenSigner(t.TempDir(), "elsewhere.example/audit")
	require.NoError(t, err)
	foreign, err := elsewhere.Sign(witness.Checkpoint{Origin: elsewhere.Origin(), Size: 3})
	require.NoError(t, err)
	seen := w.witnessed(t)
	for name, change := range map[string]func(v *audit.Verification){
		"no key":                                func(v *audit.Verification) { v.VerifierKey = "" },
		"a key that is none":                    func(v *audit.Verification) { v.VerifierKey = "test.example/audit+1234+abc" },
		"a key with another line after it":      func(v *audit.Verification) { v.VerifierKey += "\n" + v.VerifierKey },
		"the key of another installation":       func(v *audit.Verification) { v.VerifierKey = elsewhere.VerifierKey },
		"a witness that has seen nothing":       func(v *audit.Verification) { v.Witness = &witness.File{} },
		"a witness whose checkpoint is no note": func(v *audit.Verification) { v.Witness = &witness.File{VerifierKey: seen.VerifierKey, Checkpoint: "x"} },
		"a witness whose key did not sign": func(v *audit.Verification) {
			v.Witness = &witness.File{VerifierKey: elsewhere.VerifierKey, Checkpoint: seen.Checkpoint}
		},
		"a witness of another installation": func(v *audit.Verification) {
			v.Witness = &witness.File{VerifierKey: elsewhere.VerifierKey, Checkpoint: foreign}
		},
	} {
		db, err := store.OpenReadOnly(t.Context(), w.file())
		require.NoError(t, err)
		v := audit.Verification{VerifierKey: w.signer.VerifierKey}
		change(&v)
		r, err := audit.Verify(t.Context(), db, v)
		require.ErrorIs(t, err, audit.ErrInput, name)
		require.Nil(t, r.Problem, name)
		require.NoError(t, db.Close())
	}
}

// copyTo is a consistent copy of the database, as a backup makes it.
func (w *world) copyTo(t *testing.T) string {
	t.Helper()
	path := t.TempDir() + "/copy.db"
	w.sql(t, `VACUUM INTO ?`, path)
	return path
}

func TestVerifyAnEmptyLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Nil(t, w.verify(t, nil).Problem)
	w.record(t, 2)
	r := w.verify(t, nil)
	require.Nil(t, r.Problem)
	require.Equal(t, int64(2), r.Pending)
}

func TestVerifyWhileTheLogGrows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grow(t, 20)
	s, done := w.sequencer("c1"), make(chan error, 1)
	w.record(t, 60)
	go func() { done <- s.Step(t.Context()) }()
	for range 20 {
		require.Nil(t, w.verify(t, func(v *audit.Verification) { v.Live = true }).Problem)
	}
	require.NoError(t, <-done)
	w.intact(t, 80)
}

func TestSelfCheckReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.grow(t, 5)
	var got []error
	c := audit.NewSelfCheck(w.store, w.signer, newZap(), w.clock.Now, func(err error) { got = append(got, err) })
	require.Equal(t, audit.CheckPending, c.State().State)
	c.Check(t.Context())
	require.Equal(t, audit.CheckOK, c.State().State)
	w.sql(t, `DELETE FROM audit WHERE idx = 2`)
	c.Check(t.Context())
	require.Equal(t, audit.CheckBad, c.State().State)
	require.Equal(t, audit.Deleted, c.State().Report.Problem.Kind)
	require.NoError(t, got[0])
	require.ErrorContains(t, got[1], "record 2")
}

// noLog is the store of a controller that starts for the first time.
type noLog struct{}

func (noLog) AuditRows(context.Context, int64, int) ([]audit.Row, error) { return nil, nil }

func (noLog) AuditHashRange(context.Context, int64, int64) (map[int64]tlog.Hash, error) {
	return nil, nil
}

func (noLog) HashPosition(context.Context, tlog.Hash) (int64, error) { return -1, nil }

func (noLog) Checkpoints(context.Context, int64, int) ([]audit.SignedCheckpoint, error) {
	return nil, nil
}

func (noLog) NewestCheckpoint(context.Context) (audit.SignedCheckpoint, error) {
	return audit.SignedCheckpoint{}, nil
}

func (noLog) AuditEnds(context.Context) (pending, lastHash int64, err error) { return 0, -1, nil }

func (noLog) NewestAudit(context.Context, audit.Action) (audit.Row, bool, error) {
	return audit.Row{}, false, nil
}

func (noLog) AuditOf(context.Context, audit.Action, int64, int) ([]audit.Row, error) {
	return nil, nil
}

func (noLog) RenewalsBetween(context.Context, int64, int64, int) ([]audit.Renewal, error) {
	return nil, nil
}

func (noLog) AuditHashes(context.Context, []int64) ([]tlog.Hash, error) { return nil, audit.ErrNoHash }

func (noLog) AuditMark(context.Context) (string, error) { return "", nil }

func (noLog) PutAuditMark(context.Context, string) error { return nil }

// TestTheFirstSelfCheckIsAtOnce: the controller is not ready before it.
func TestTheFirstSelfCheckIsAtOnce(t *testing.T) {
	t.Parallel()
	signer, err := audit.OpenSigner(t.TempDir(), audit.Origin("test.example"))
	require.NoError(t, err)
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var after []time.Duration
		c := audit.NewSelfCheck(noLog{}, signer, zap.NewNop(), time.Now, func(err error) {
			require.NoError(t, err)
			after = append(after, time.Since(begun))
		})
		ctx, cancel := context.WithTimeout(t.Context(), 31*time.Minute)
		defer cancel()
		require.NoError(t, c.Run(ctx))
		require.Equal(t, []time.Duration{0, 15 * time.Minute, 30 * time.Minute}, after)
	})
}
