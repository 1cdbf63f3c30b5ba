package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/attention"
)

func dismissals(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	dismiss := func(id string, at time.Time) (added bool) {
		require.NoError(t, s.AttentionTx(t.Context(), func(tx attention.Tx) error {
			var err error
			if added, err = tx.Dismiss(t.Context(), id, at); err != nil {
				return err
			}
			return tx.KeepDismissals(t.Context(), 2)
		}))
		return added
	}
	kept := func() map[string]bool {
		ids, err := s.Dismissals(t.Context())
		require.NoError(t, err)
		return ids
	}
	require.Empty(t, kept())
	require.True(t, dismiss("a", start()))
	require.False(t, dismiss("a", start().Add(time.Hour)), "the first one stays as it is")
	require.True(t, dismiss("b", start().Add(time.Minute)))
	require.Equal(t, map[string]bool{"a": true, "b": true}, kept())
	require.True(t, dismiss("c", start().Add(2*time.Minute)))
	require.Equal(t, map[string]bool{"b": true, "c": true}, kept(), "the oldest goes")
}
