package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func (w *world) stored(t *testing.T, who identity.Workload) (m fleet.Member) {
	t.Helper()
	require.NoError(t, w.store.FleetTx(t.Context(), func(tx fleet.Tx) (err error) {
		m, err = tx.Member(t.Context(), who)
		return err
	}))
	return m
}

// TestADenialThatComesBackEndsWhomItIsAbout: and no successor.
func TestADenialThatComesBackEndsWhomItIsAbout(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after time.Duration // its enrollment
		ends  bool
	}{
		"revoked a minute after it was enrolled":         {time.Minute, true},
		"revoked in the second in which it was enrolled": {0, true},
		"a predecessor was revoked":                      {-time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.enroll(t, tunneler("t-01"))
			at := w.stored(t, tunneler("t-01")).EnrolledAt.Add(c.after - 10*time.Second).Truncate(time.Second)
			revoked, err := w.TakeBack(t.Context(), fleet.Return{By: connector("c-01"), Denials: []fleet.Denial{{Workload: tunneler("t-01"), SVIDNotBefore: at}}})
			require.NoError(t, err)
			require.Equal(t, c.ends, len(revoked) == 1)
			require.Equal(t, !c.ends, w.stored(t, tunneler("t-01")).Live())
			stones, err := w.store.Tombstones(t.Context(), "", 9, w.clock.Now())
			require.NoError(t, err)
			require.Len(t, stones, len(revoked))
			all, err := w.store.Denials(t.Context(), 0, time.Unix(0, 0))
			require.NoError(t, err)
			require.Len(t, all, 1)
			require.False(t, all[0].SVIDNotBefore.Before(at))
		})
	}
}
