package audit_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
)

func TestSequencerGivesEachEventItsPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sequencer("c1")
	require.NoError(t, s.Step(t.Context()))
	require.Zero(t, s.Head().Size, "an empty log has no checkpoint")
	for _, n := range []int{1, 2, 1, 5} {
		w.record(t, n)
		require.NoError(t, s.Step(t.Context()))
	}
	w.intact(t, 9)
	c, err := witness.Open([]byte(s.Head().Note), w.signer.VerifierKey)
	require.NoError(t, err)
	require.Equal(t, "test.example/audit", c.Origin)
	require.Equal(t, int64(9), c.Size)
}

func TestSequencerTakesMoreThanOneBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.record(t, 1203) // as an older database that was never sequenced
	require.NoError(t, w.sequencer("c1").Step(t.Context()))
	r := w.verify(t, nil)
	require.Nil(t, r.Problem)
	require.Equal(t, int64(1203), r.Size)
	require.Equal(t, int64(3), r.Checkpoints)
}

// TestSequencerFollowsTheLog runs it as the controller does. How often it looks is tested
// in package changelog, whose clock is not the wall's.
func TestSequencerFollowsTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.sequencer("c1")
	moved, forget := s.Subscribe()
	defer forget()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for range 3 {
		w.record(t, 1)
		select {
		case <-moved:
		case <-time.After(20 * time.Second):
			t.Fatal("an event got no place")
		}
	}
	cancel()
	require.NoError(t, <-done)
	_, ok, err := w.store.AcquireSequencer(t.Context(), audit.Lease{Holder: "c2", Now: w.clock.Now(), Until: w.clock.Now()})
	require.NoError(t, err)
	require.True(t, ok, "one that stops gives up its lease")
}

var errPower = errors.New("power failure")

// failing is a store whose n-th call of a batch fails, before or after it was done.
type failing struct {
	audit.SequencerStore
	left  int
	after bool
}

func (f *failing) call(do func() error) error {
	f.left--
	mine := f.left == 0
	if mine && !f.after {
		return errPower
	}
	err := do()
	if mine && err == nil {
		return errPower
	}
	return err
}

func (f *failing) SequenceTx(ctx context.Context, epoch int64, fn func(audit.SequenceTx) error) error {
	return f.call(func() error {
		return f.SequencerStore.SequenceTx(ctx, epoch, func(tx audit.SequenceTx) error { return fn(&failingTx{tx, f}) })
	})
}

type failingTx struct {
	audit.SequenceTx
	f *failing
}

func (t *failingTx) NewestCheckpoint(ctx context.Context) (c audit.SignedCheckpoint, err error) {
	err = t.f.call(func() error { c, err = t.SequenceTx.NewestCheckpoint(ctx); return err })
	return c, err
}

func (t *failingTx) PendingAudit(ctx context.Context, n int) (rows []audit.Row, err error) {
	err = t.f.call(func() error { rows, err = t.SequenceTx.PendingAudit(ctx, n); return err })
	return rows, err
}

func (t *failingTx) PlaceAudit(ctx context.Context, seq, index int64) error {
	return t.f.call(func() error { return t.SequenceTx.PlaceAudit(ctx, seq, index) })
}

func (t *failingTx) PutAuditHashes(ctx context.Context, first int64, h []tlog.Hash) error {
	return t.f.call(func() error { return t.SequenceTx.PutAuditHashes(ctx, first, h) })
}

func (t *failingTx) PutCheckpoint(ctx context.Context, c audit.SignedCheckpoint) error {
	return t.f.call(func() error { return t.SequenceTx.PutCheckpoint(ctx, c) })
}

func (t *failingTx) AuditHashes(ctx context.Context, p []int64) (h []tlog.Hash, err error) {
	err = t.f.call(func() error { h, err = t.SequenceTx.AuditHashes(ctx, p); return err })
	return h, err
}

// TestSequencerKilledAnywhere: at each step, before and after it, the next
// sequencer goes on and nothing is lost or doubled.
func TestSequencerKilledAnywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	total, kills := 0, 0
	for _, after := range []bool{false, true} {
		for step := 1; ; step++ {
			w.record(t, 3)
			total += 3
			f := &failing{SequencerStore: w.store, left: step, after: after}
			err := w.sequencerOn(f, "c1").Step(t.Context())
			if f.left > 0 {
				require.NoError(t, err)
				break // it did not come to that step any more
			}
			require.ErrorIs(t, err, errPower)
			kills++
			w.record(t, 1)
			total++
			require.NoError(t, w.sequencer("c1").Step(t.Context()), "step %d", step)
			w.intact(t, total)
		}
	}
	require.Greater(t, kills, 12)
	w.intact(t, total)
}

func TestSecondSequencerFencesTheFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.sequencer("c1"), w.sequencer("c2")
	w.record(t, 2)
	require.NoError(t, a.Step(t.Context()))
	w.record(t, 2)
	require.NoError(t, b.Step(t.Context()))
	require.Equal(t, int64(2), b.Head().Size, "it waits while the other one's lease runs, and knows the head")

	t.Run("a former sequencer's commit fails, in the middle of its batch too", func(t *testing.T) {
		epoch, ok, err := w.store.AcquireSequencer(t.Context(), audit.Lease{Holder: "c1", Now: w.clock.Now(), Until: w.clock.Now().Add(time.Minute)})
		require.NoError(t, err)
		require.True(t, ok)
		w.clock.Advance(2 * time.Minute)
		require.NoError(t, b.Step(t.Context()))
		require.Equal(t, int64(4), b.Head().Size, "it took over when the lease had run out")
		called := false
		err = w.store.SequenceTx(t.Context(), epoch, func(audit.SequenceTx) error { called = true; return nil })
		require.ErrorIs(t, err, audit.ErrFenced)
		require.False(t, called)
		require.ErrorIs(t, w.store.RenewSequencer(t.Context(), epoch, w.clock.Now().Add(time.Hour)), audit.ErrFenced)
	})
	w.record(t, 3)
	require.NoError(t, a.Step(t.Context()), "fenced is not a fault")
	require.Equal(t, int64(4), a.Head().Size)
	require.NoError(t, b.Step(t.Context()))
	require.NoError(t, a.Step(t.Context()))
	require.Equal(t, int64(7), a.Head().Size, "the former one follows")
	w.intact(t, 7)
}

// TestTwoSequencersAtOnce: whatever they do at the same time, the log is one.
func TestTwoSequencersAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for range 2 { // the same holder, so that each takes over from the other at once
		s := w.sequencer("c1")
		go func() { done <- s.Run(ctx) }()
	}
	for range 20 {
		w.record(t, 5)
	}
	require.Eventually(t, func() bool {
		pending, err := w.store.AuditPending(t.Context())
		return err == nil && !pending
	}, 20*time.Second, 10*time.Millisecond)
	cancel()
	require.NoError(t, errors.Join(<-done, <-done))
	w.intact(t, 100)
}

func TestSequencerDoesNotContinueWhatItDidNotSign(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func(*testing.T, *world){
		"another key": func(t *testing.T, w *world) {
			t.Helper()
			other, err := audit.OpenSigner(t.TempDir(), "test.example/audit")
			require.NoError(t, err)
			w.signer = other
		},
		"a checkpoint of another size": func(t *testing.T, w *world) {
			t.Helper()
			w.sql(t, `UPDATE audit_checkpoints SET size = 2 WHERE size = 3`)
		},
		"no checkpoint but a text": func(t *testing.T, w *world) {
			t.Helper()
			w.sql(t, `UPDATE audit_checkpoints SET note = 'x'`)
		},
		"missing hashes": func(t *testing.T, w *world) { t.Helper(); w.sql(t, `DELETE FROM audit_hashes WHERE position = 2`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.grow(t, 3)
			tamper(t, w)
			w.record(t, 1)
			require.Error(t, w.sequencer("c1").Step(t.Context()))
			pending, err := w.store.AuditPending(t.Context())
			require.NoError(t, err)
			require.True(t, pending, "and the event still waits")
		})
	}
}

func TestSignerKeepsItsKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, err := audit.OpenSigner(dir, "a/audit")
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(dir, "checkpoint.key"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	b, err := audit.OpenSigner(dir, "a/audit")
	require.NoError(t, err)
	require.Equal(t, a.VerifierKey, b.VerifierKey)

	_, err = audit.OpenSigner(dir, "b/audit")
	require.ErrorContains(t, err, "trust domain")

	other := t.TempDir()
	_, err = audit.OpenSigner(other, "a/audit")
	require.NoError(t, err)
	require.NoError(t, os.Rename(filepath.Join(other, "checkpoint.pub"), filepath.Join(dir, "checkpoint.pub")))
	_, err = audit.OpenSigner(dir, "a/audit")
	require.ErrorContains(t, err, "do not belong together")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "checkpoint.key"), []byte("x"), 0o600))
	_, err = audit.OpenSigner(dir, "a/audit")
	require.ErrorContains(t, err, "restore it from a backup")
}
