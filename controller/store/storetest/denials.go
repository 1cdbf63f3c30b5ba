package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

func denials(t *testing.T, open func(string) Store) {
	s := fresh(t, open)
	deny := func(now, before time.Time, id string) {
		within(t, s, func(tx enroll.Tx) error {
			return tx.Deny(t.Context(), fleet.Denial{Workload: tunneler(id), SVIDNotBefore: before}, now)
		})
	}
	list := func(since time.Time) (ids []string, last uint64) {
		all, err := s.Denials(t.Context(), 0, since)
		require.NoError(t, err)
		for _, d := range all {
			require.Greater(t, d.Seq, last)
			last = d.Seq
			ids = append(ids, d.Workload.String()+" "+d.SVIDNotBefore.UTC().Format(time.RFC3339))
		}
		return ids, last
	}
	at := start().UTC().Truncate(time.Second)
	deny(at, at, "a")
	deny(at, at, "b")
	deny(at, at.Add(-time.Hour), "a") // the later time stays
	got, before := list(at.Add(-time.Second))
	require.Equal(t, []string{"tunneler/a " + at.Format(time.RFC3339), "tunneler/b " + at.Format(time.RFC3339)}, got)
	got, _ = list(at)
	require.Empty(t, got)

	deny(at, at.Add(time.Minute), "a") // is news
	got, last := list(at)
	require.Equal(t, []string{"tunneler/a " + at.Add(time.Minute).Format(time.RFC3339)}, got)
	require.Greater(t, last, before)
	more, err := s.Denials(t.Context(), before, time.Unix(0, 0))
	require.NoError(t, err)
	require.Len(t, more, 1, "only what is new")
	require.Equal(t, last, more[0].Seq)

	much := at.Add(fleet.DenialLife + 2*time.Minute)
	deny(much, much, "c")
	got, _ = list(time.Unix(0, 0))
	require.Equal(t, []string{"tunneler/c " + much.Format(time.RFC3339)}, got, "what is over goes")
}
