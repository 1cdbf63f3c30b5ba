package storetest

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/recovery"
)

func recoveryKeys(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	k, err := s.RecoveryKey(t.Context())
	require.NoError(t, err)
	require.Zero(t, k, "none was made")
	for _, k := range []recovery.Key{
		{Public: "one", CreatedAt: start(), CreatedBy: "local/root"},
		{Public: "two", CreatedAt: start().AddDate(0, 0, 1), CreatedBy: "local/root"},
	} {
		require.NoError(t, s.RecoveryTx(t.Context(), func(tx recovery.Tx) error { return tx.PutRecoveryKey(t.Context(), k) }))
		got, err := s.RecoveryKey(t.Context())
		require.NoError(t, err)
		require.Equal(t, k, got)
	}
}

func timelines(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	now, err := s.Timeline(t.Context())
	require.NoError(t, err)
	require.Zero(t, now)
	require.Equal(t, uint64(1), now.Now())
	put := func(l recovery.Timeline) error {
		return s.RecoveryTx(t.Context(), func(tx recovery.Tx) error { return tx.PutTimeline(t.Context(), l) })
	}
	three := recovery.Timeline{Number: 3, Statement: "signed\n\n— x\n", OldVerifierKey: "key", OldCheckpoint: "note", BegunAt: start()}
	require.NoError(t, put(three))
	require.NoError(t, put(recovery.Timeline{Number: 2, Statement: "older", BegunAt: start()}))
	now, err = s.Timeline(t.Context())
	require.NoError(t, err)
	require.Equal(t, three, now)
	require.Error(t, put(recovery.Timeline{Number: 3, Statement: "another", BegunAt: start()}), "one statement for one timeline")
	three.Statement = "signed\n\n— x\n— y\n"
	require.NoError(t, s.RecoveryTx(t.Context(), func(tx recovery.Tx) error { return tx.PutStatement(t.Context(), 3, three.Statement) }))
	now, err = s.Timeline(t.Context())
	require.NoError(t, err)
	require.Equal(t, three, now)

	undone := errors.New("undone")
	require.ErrorIs(t, s.RecoveryTx(t.Context(), func(tx recovery.Tx) error {
		require.NoError(t, tx.PutTimeline(t.Context(), recovery.Timeline{Number: 4, Statement: "x", BegunAt: start()}))
		return undone
	}), undone)
	now, err = s.Timeline(t.Context())
	require.NoError(t, err)
	require.Equal(t, three, now)
}
