package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
)

func putRotation(t *testing.T, s Store, r rotation.Rotation) error {
	t.Helper()
	return s.RotationTx(t.Context(), func(tx rotation.Tx) error {
		if err := tx.PutRotation(t.Context(), r); err != nil {
			return err
		}
		return tx.AppendAudit(t.Context(), audit.Event{Time: start(), Action: audit.RotationPhase, Target: "rotation/" + r.ID})
	})
}

func newRotation(id string, at time.Time) rotation.Rotation {
	return rotation.Rotation{
		ID: id, State: rotation.Running, Phase: rotation.Tainted, Actor: "key:test",
		Options:   rotation.Options{Deadline: time.Minute, OnExpiry: rotation.StopForHoldouts, Emergency: true, Offline: rotation.WaitOffline},
		Replace:   []string{"a1", "a2"},
		StartedAt: at, PhaseSince: at.Add(time.Second), Dropped: []string{"tunneler/t-01"},
		Signer: "b1", ActivatedAt: at.Add(2 * time.Second), Agents: map[string]string{"agent": "17"},
		Past: []rotation.Passed{{Phase: rotation.Preparing, At: at}, {Phase: rotation.Tainted, Authority: "a1", At: at.Add(time.Second)}},
	}
}

func rotations(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	_, err := s.Rotation(t.Context())
	require.ErrorIs(t, err, rotation.ErrNone)
	r := newRotation("rot_1", start())
	require.NoError(t, putRotation(t, s, r))
	got, err := s.Rotation(t.Context())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(r, got))

	r.State, r.Phase, r.Reason, r.EndedAt = rotation.Aborted, rotation.Prepared, "why", start().Add(time.Hour)
	require.NoError(t, putRotation(t, s, r))
	got, err = s.Rotation(t.Context())
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(r, got))
	events, err := s.AuditSince(t.Context(), start())
	require.NoError(t, err)
	require.Len(t, events, 2)

	t.Log("the newest one, unless an older one is unfinished")
	newer := newRotation("rot_2", start().Add(2*time.Hour))
	newer.EndedAt = start().Add(3 * time.Hour)
	require.NoError(t, putRotation(t, s, newer))
	got, err = s.Rotation(t.Context())
	require.NoError(t, err)
	require.Equal(t, "rot_2", got.ID)
	require.NoError(t, putRotation(t, s, newRotation("rot_0", start().Add(-time.Hour))))
	got, err = s.Rotation(t.Context())
	require.NoError(t, err)
	require.Equal(t, "rot_0", got.ID)
}

func oneRotation(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	require.NoError(t, putRotation(t, s, newRotation("rot_1", start())))
	require.Error(t, putRotation(t, s, newRotation("rot_2", start())))
	broken := errors.New("broken")
	require.ErrorIs(t, s.RotationTx(t.Context(), func(tx rotation.Tx) error {
		r, err := tx.Rotation(t.Context())
		require.NoError(t, err)
		r.Phase = rotation.Revoked
		require.NoError(t, tx.PutRotation(t.Context(), r))
		return broken
	}), broken)
	got, err := s.Rotation(t.Context())
	require.NoError(t, err)
	require.Equal(t, rotation.Tainted, got.Phase)
	events, err := s.AuditSince(t.Context(), start())
	require.NoError(t, err)
	require.Len(t, events, 1, "an event goes with its change")
}
